import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ConfigError } from '../../../infra/config/config-error.ts';
import { resolveConfig, type ConfigOptions } from '../../../infra/config/resolve.ts';
import { presets } from '../../../schemas/presets.ts';
import { variants } from '../../../schemas/variants.ts';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'mmedexpert-config-'));
});
afterAll(() => rm(folder, { recursive: true }));

const file = async (name: string, text: string): Promise<string> => {
  const at = path.join(folder, name);
  await writeFile(at, text);
  return at;
};

const refusal = async (options: ConfigOptions): Promise<string> => {
  const error: unknown = await resolveConfig(options).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof ConfigError)) throw new Error('the configuration was accepted', { cause: error });
  return error.message;
};

describe('resolveConfig', () => {
  it('gives the demo where nothing is asked for', async () => {
    const { config, origins } = await resolveConfig({});
    expect(config).toEqual(presets.demo);
    expect(new Set(origins.values())).toEqual(new Set(['preset demo']));
  });

  it('lays file, variant and --set over the preset, in this order, and says where each value is from', async () => {
    const config = await file('all.yaml', 'gba: { steps: 5, start: mixed, beta: 0.5 }\nseed: 3\n');
    const set = ['gba.beta=1e-2', 'sft.AM.learningRate=2e-4'];
    const resolved = await resolveConfig({ config, variant: ['grpo'], set });
    expect(resolved.config.gba).toMatchObject({ steps: 5, start: 'base', guidelineMode: 'none', beta: 0.01 });
    expect(resolved.config.sft.AM.learningRate).toBe(2e-4);
    expect(resolved.config.sft.CAH).toEqual(presets.demo.sft.CAH);
    const from = ['gba.steps', 'seed', 'gba.start', 'gba.beta', 'gba.clip'].map((key) =>
      resolved.origins.get(key),
    );
    expect(from).toEqual([config, config, 'variant grpo', '--set', 'preset demo']);
  });

  it('takes the preset that a file names, unless the command line names another', async () => {
    const config = await file('paper.json', '{ "preset": "paper-7b", "seed": 1 }');
    expect((await resolveConfig({ config })).config.base.path).toBe('models/Lingshu-7B');
    expect((await resolveConfig({ config, preset: 'demo' })).config).toEqual({ ...presets.demo, seed: 1 });
  });

  it('starts a section anew when it becomes another kind', async () => {
    const set = [
      'base.kind=checkpoint',
      'base.path=models/own',
      'base.minPixels=3136',
      'base.maxPixels=401408',
    ];
    const { config } = await resolveConfig({ set });
    expect(config.base).toEqual({
      kind: 'checkpoint',
      path: 'models/own',
      minPixels: 3136,
      maxPixels: 401_408,
    });
    expect(await refusal({ set: set.slice(0, 2) })).toContain('--set: base.minPixels is missing');
  });

  it('removes an optional value by null, and keeps null where it is a value', async () => {
    const { config } = await resolveConfig({
      set: ['synthesize.teacher.temperature=null', 'gba.maxGradNorm=null'],
    });
    expect(config.synthesize.teacher).not.toHaveProperty('temperature');
    expect(config.gba.maxGradNorm).toBeNull();
    expect(await refusal({ set: ['gba.steps=null'] })).toBe('--set: gba.steps is missing');
  });

  it('replaces a list as a whole, and by --set one element of it', async () => {
    const { config } = await resolveConfig({
      set: ['evaluate.paradigms=[bayesian]', 'classify.rules.0.when.ageYearsBelow=16'],
    });
    expect(config.evaluate.paradigms).toEqual(['bayesian']);
    expect(config.classify.rules[0]).toEqual({ specialty: 'CAH', when: { ageYearsBelow: 16 } });
    expect(config.classify.rules.slice(1)).toEqual(presets.demo.classify.rules.slice(1));
    expect(await refusal({ set: ['classify.rules.9.specialty=AM'] })).toContain(
      '--set: classify.rules.9.specialty names no element of an array of 3',
    );
  });

  it.each(Object.keys(variants))('accepts variant %s on every preset', async (variant) => {
    for (const preset of Object.keys(presets)) {
      const { config } = await resolveConfig({ preset, variant: [variant] });
      expect(config.evaluate.models).toHaveLength(1);
    }
  });
});

describe('a wrong configuration', () => {
  it.each([
    [
      'sft.AM.learningrate=1',
      '--set: sft.AM.learningrate is not a known key; did you mean sft.AM.learningRate?',
    ],
    ['stf.AM.rank=1', '--set: stf is not a known key; did you mean sft?'],
    ['compute.dtyp=float32', '--set: compute.dtyp is not a known key; did you mean compute.dtype?'],
    ['intraOpThreads=1', '--set: intraOpThreads is not a known key; did you mean compute.intraOpThreads?'],
    ['sources.train.casePerSpecialty=1', 'did you mean sources.train.casesPerSpecialty?'],
    ['quux.frob=1', '--set: quux is not a known key'],
    ['__proto__.polluted=1', '--set: __proto__ is not a known key'],
    ['compute.dtype=float23', '--set: compute.dtype must be one of float32, bfloat16; did you mean float32?'],
    ['base.kind=checkpont', '--set: base.kind must be one of pretrain, checkpoint; did you mean checkpoint?'],
    ['gba.group=1', '--set: gba.group expected number to be >=2'],
    ['gba.steps=many', '--set: gba.steps expected number, received string'],
    ['sft=3', '--set: sft expected object, received number'],
    ['preset=paper-2b', '--set: preset is chosen with --preset'],
    ['seed', '--set: seed is not KEY=VALUE, such as sft.AM.learningRate=1e-4'],
    ['evaluate.paradigms=[', '--set: evaluate.paradigms has a value that is not YAML'],
  ])('is named with its cure: %s', async (setting, message) => {
    expect(await refusal({ set: [setting] })).toContain(message);
  });

  it('names the file, and every problem at once', async () => {
    const config = await file('wrong.yaml', 'gba: { stepz: 5 }\ncompute: { dtype: half }\n');
    expect((await refusal({ config })).split('\n')).toEqual([
      `${config}: gba.stepz is not a known key; did you mean gba.steps?`,
      `${config}: compute.dtype must be one of float32, bfloat16`,
    ]);
  });

  it('names a preset or variant that is not there, and those that are', async () => {
    expect(await refusal({ preset: 'paper-2B' })).toContain(
      'there are demo, paper-2b, paper-7b; did you mean paper-2b?',
    );
    expect(await refusal({ variant: ['AM'] })).toContain('did you mean am?');
    const config = await file('preset.yaml', 'preset: paper\n');
    expect(await refusal({ config })).toContain(`${config}: paper is no preset`);
  });

  it('names a file that is not there, is no YAML, repeats a key, or is a list', async () => {
    expect(await refusal({ config: path.join(folder, 'none.yaml') })).toContain(
      'none.yaml: cannot be read: ENOENT',
    );
    expect(await refusal({ config: await file('torn.json', '{ "seed": ') })).toContain('torn.json: ');
    expect(await refusal({ config: await file('twice.yaml', 'seed: 1\nseed: 2\n') })).toContain(
      'Map keys must be unique',
    );
    expect(await refusal({ config: await file('list.yaml', '- 1\n') })).toContain('holds no mapping');
  });

  it('refuses a version that it does not know', async () => {
    const config = await file('version.yaml', 'version: 2\n');
    expect(await refusal({ config })).toContain(`${config}: version must be one of 1`);
  });
});
