import { describe, expect, it } from 'vitest';
import { leavesOf } from '../../infra/config/schema-walk.ts';
import { PipelineConfig } from '../../schemas/config.ts';
import { presets, presetSources, PresetName } from '../../schemas/presets.ts';
import { variants } from '../../schemas/variants.ts';

const names = PresetName.options;
const paperNames = names.filter((name) => name.startsWith('paper-'));

describe.each(names)('preset %s', (name) => {
  it('is a whole, valid configuration under its own name', () => {
    expect(PipelineConfig.parse(presets[name])).toEqual(presets[name]);
    expect(presets[name].preset).toBe(name);
  });
});

describe.each(paperNames)('preset %s', (name) => {
  const sources = presetSources[name] ?? {};
  const leaves = leavesOf(presets[name]).map(([path]) => path);

  it('has a source for each of its values', () => {
    expect(leaves.filter((path) => sources[path] === undefined)).toEqual([]);
    expect(Object.keys(sources).filter((path) => !leaves.includes(path))).toEqual([]);
  });

  it('says of each value what the paper says there, or why it is assumed', () => {
    for (const [path, source] of Object.entries(sources)) {
      const words = source.from === 'paper' ? [source.where, source.says] : [source.reason];
      for (const text of words) expect(text.length, path).toBeGreaterThan(3);
    }
  });

  it("states the paper's hyperparameters", () => {
    const { sft, gba, base, compute, merge } = presets[name];
    for (const run of Object.values(sft)) {
      expect(run).toMatchObject({ rank: 16, alpha: 32, epochs: 3, learningRate: 1e-6, accumulate: 8 });
    }
    expect(gba).toMatchObject({ group: 8, clip: 0.2, beta: 0.001, maxNewTokens: 1024, start: 'ties' });
    expect(base).toMatchObject({ kind: 'checkpoint', maxPixels: 401_408 });
    expect(compute.dtype).toBe('bfloat16');
    expect(merge.final).toMatchObject({ method: 'ties', rlVector: 'total' });
  });
});

describe('the two paper presets', () => {
  it('differ in name and base alone', () => {
    const [small, large] = [presets['paper-2b'], presets['paper-7b']];
    expect({ ...small, preset: '', base: null }).toEqual({ ...large, preset: '', base: null });
    expect(small.base.path).not.toBe(large.base.path);
  });
});

describe('variants', () => {
  it('are the eleven rows of table 3 and the three merging methods', () => {
    const rows = 'Base, AM, CAH, BS, CSI, Mixed SFT, GRPO, GBA, Mixed SFT + GBA, DSA + GBA, Ours';
    const merges = 'SLERP, Task Arithmetic, TIES';
    expect(Object.values(variants).map(({ row }) => row)).toEqual([
      ...rows.split(', '),
      ...merges.split(', '),
    ]);
  });
});
