import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runGba } from '../../../activities/gba/activity.ts';
import { mergeStage } from '../../../activities/merge/activity.ts';
import { openInferenceModel } from '../../../activities/nn/runtime/inference-model.ts';
import { withVector } from '../../../activities/merge/open-vector.ts';
import { readRows } from '../../../activities/shell/jsonl.ts';
import { GbaParams } from '../../../schemas/gba-params.ts';
import { MergeParams } from '../../../schemas/merge-params.ts';
import { Rollout } from '../../../schemas/rollout.ts';
import { GbaMetric } from '../../../schemas/training-metric.ts';
import { hasShared, shared } from '../../_shared.ts';
import { caseWith } from '../_cases.ts';
import { recordedIo } from '../nn/training/_stage-io.ts';

const MODEL = shared('golden/qwen2_vl');
const AM = shared('golden/merge/adapter-AM');
const BS = shared('golden/merge/adapter-BS');

const text = (folder: string, file: string): Promise<string> => readFile(join(folder, file), 'utf8');
const trainedOn = async (adapter: string): Promise<string> =>
  (JSON.parse(await text(adapter, 'provenance.json')) as { trainedOn: string }).trainedOn;

describe.skipIf(!hasShared)('what GBA starts from', () => {
  let root: string;
  let data: string;
  let merged: { model: string; vector: string };

  const merge = async (name: string, inputs: Record<string, string>) => {
    const outputs = { model: join(root, name, 'model'), vector: join(root, name, 'vector') };
    await mergeStage.run(MergeParams.parse({ method: 'linear' }), {
      ...recordedIo(root),
      inputs: { base: MODEL, ...inputs },
      outputs,
    });
    return outputs;
  };

  const train = async (
    name: string,
    files: { model?: string; start?: string; guidelines?: string },
    given = {},
  ) => {
    const out = join(root, name);
    await mkdir(out);
    const params = GbaParams.parse({
      rank: 4,
      alpha: 8,
      learningRate: 1e-2,
      steps: 2,
      promptsPerStep: 2,
      group: 4,
      maxNewTokens: 4,
      ...given,
    });
    const summary = await runGba(
      { model: MODEL, data, adapter: out, rollouts: out, ...files },
      params,
      recordedIo(root),
    );
    return { out, summary };
  };

  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'gba-start-'));
    data = join(root, 'cases.jsonl');
    const images = [shared('golden/image-0.png')];
    const cases = [caseWith({ id: 'text' }), caseWith({ id: 'image', images })];
    await writeFile(data, cases.map((row) => `${JSON.stringify(row)}\n`).join(''));
    merged = await merge('merged', { 'adapter.AM': AM, 'adapter.BS': BS });
  });
  afterAll(() => rm(root, { recursive: true }));

  it('is base + vector, in float32 the same as the model that was merged from them', async () => {
    const [vector, model, base] = [
      await train('from-vector', { start: merged.vector }),
      await train('from-model', { start: merged.model }),
      await train('from-base', {}),
    ];
    const provenance = JSON.parse(await text(merged.vector, 'provenance.json')) as { model: string };
    expect(await trainedOn(vector.out)).toBe(provenance.model);
    for (const file of ['adapter_model.safetensors', 'provenance.json', 'rollouts.jsonl', 'metrics.jsonl'])
      expect(await text(vector.out, file)).toBe(await text(model.out, file));
    expect(await text(vector.out, 'rollouts.jsonl')).not.toBe(await text(base.out, 'rollouts.jsonl'));
    expect(await trainedOn(base.out)).not.toBe(provenance.model);
  });

  it('is what the divergence counts from: 0 before the first update', async () => {
    const { out } = await train('near', { start: AM }, { beta: 0.5 });
    const metrics = await readRows(join(out, 'metrics.jsonl'), GbaMetric);
    expect(Math.abs(metrics[0]!.kl!)).toBeLessThan(1e-6);
    expect(metrics[1]!.kl).toBeGreaterThan(1e-6);
  });

  it('may be an adapter: what is trained on it merges with it, and runs on base + it alone', async () => {
    const { out } = await train('from-adapter', { start: AM });
    const own = await merge('total', { 'adapter.RL': out, 'start.RL': AM });
    expect(JSON.parse(await text(own.vector, 'provenance.json'))).toMatchObject({ version: 1 });
    await using model = await openInferenceModel({ model: MODEL, weights: withVector(AM), adapter: out });
    expect(model.adapter?.modules.size).toBe(14);
    await expect(openInferenceModel({ model: MODEL, adapter: out })).rejects.toThrow(
      /was trained on weights sha256:.*qwen2_vl has sha256:/,
    );
    await expect(merge('wrong', { 'adapter.RL': out, 'start.RL': BS })).rejects.toThrow(/trained on weights/);
  });

  it('is refused where it is nothing, or a model of another shape', async () => {
    await expect(train('nothing', { start: shared('golden/scorers') })).rejects.toThrow(
      /holds no task vector \(vector\.safetensors\), no adapter .* and no model/,
    );
    await expect(train('other', { start: shared('golden/qwen2_5_vl') })).rejects.toThrow(
      /was not merged on .*qwen2_vl: they differ in /,
    );
  });

  it('samples by its own settings, whatever generation_config.json asks for', async () => {
    const greedy = join(root, 'greedy');
    await cp(MODEL, greedy, { recursive: true });
    const defaults = JSON.parse(await text(MODEL, 'generation_config.json')) as object;
    const frozen = {
      ...defaults,
      do_sample: false,
      temperature: 0.01,
      top_k: 1,
      top_p: 0.001,
      repetition_penalty: 5,
    };
    await writeFile(join(greedy, 'generation_config.json'), JSON.stringify(frozen));
    const rollouts = await text((await train('frozen', { model: greedy })).out, 'rollouts.jsonl');
    expect(rollouts).toBe(await text((await train('plain', {})).out, 'rollouts.jsonl'));
    const completions = rollouts
      .trim()
      .split('\n')
      .map((line) => Rollout.parse(JSON.parse(line)).completion);
    expect(new Set(completions).size).toBeGreaterThan(completions.length / 2);
  });

  it('is asked under guidelines of one’s own, whose digest the summary tells', async () => {
    const guidelines = join(root, 'guidelines');
    await mkdir(guidelines);
    for (const [paradigm, words] of Object.entries({
      differential: 'List causes.',
      intuitive: 'Feel.',
      analytical: 'Deduce.',
      bayesian: 'Update.',
    }))
      await writeFile(join(guidelines, `${paradigm}.md`), words);
    const given = { guidelineMode: 'mixed', steps: 1 };
    const own = await train('own', { guidelines }, given);
    const rollouts = await readRows(join(own.out, 'rollouts.jsonl'), Rollout);
    expect(rollouts.find(({ paradigm }) => paradigm === 'differential')!.prompt).toContain('List causes.');
    expect(rollouts.every(({ prompt }) => !prompt.includes('Reason by'))).toBe(true);
    const builtIn = await train('built-in', {}, given);
    expect(own.summary['guidelines']).toMatch(/^sha256:/);
    expect(own.summary['guidelines']).not.toBe(builtIn.summary['guidelines']);
    const none = await train('none', {}, { guidelineMode: 'none', steps: 1 });
    expect(none.summary['guidelines']).toBeNull();
  });

  it('may be a Qwen2.5-VL that is asked about images', async () => {
    const model = shared('golden/qwen2_5_vl');
    const { out, summary } = await train('newer', { model }, { guidelineMode: 'all', steps: 1, group: 2 });
    const rollouts = await readRows(join(out, 'rollouts.jsonl'), Rollout);
    expect(summary).toMatchObject({ rollouts: 16 });
    const imaged = rollouts.filter(({ caseId }) => caseId === 'image');
    expect(imaged).toHaveLength(8);
    expect(imaged.every(({ prompt }) => prompt.includes('<|image_pad|>'))).toBe(true);
  });
});
