import { describe, expect, it } from 'vitest';
import { inFloat32 } from '../../activities/_compute.ts';
import { assumptionsFor } from '../../../infra/plan/assumptions.ts';
import type { Given } from '../../../infra/plan/assumptions.ts';
import { baseConfig, UnknownBase } from '../../../infra/plan/base-config.ts';
import { needsOf } from '../../../infra/plan/needs.ts';
import { planRun } from '../../../infra/plan/plan.ts';
import type { PlannedStage } from '../../../infra/plan/plan.ts';
import { combine, total } from '../../../infra/plan/quantity.ts';
import { renderPlan } from '../../../infra/plan/render.ts';
import { PipelineConfig } from '../../../schemas/config.ts';
import { presets } from '../../../schemas/presets.ts';

const { demo } = presets;
const tiny = await baseConfig(demo.base, undefined);

const planned = async (config: PipelineConfig, given: Given = {}): Promise<Map<string, PlannedStage>> => {
  const stages = await planRun(config, tiny, inFloat32, assumptionsFor(config, given));
  return new Map(stages.map((stage) => [stage.step, stage]));
};

describe('a number of a plan', () => {
  it('is as sure as the least sure of those it is computed from', () => {
    const cases = { value: 10, from: 'config' } as const;
    expect(combine((n) => 2 * n, cases)).toEqual({ value: 20, from: 'config' });
    expect(total(cases, { value: 1, from: 'assumed' }, { value: 2, from: 'measured' })).toEqual({
      value: 13,
      from: 'assumed',
    });
  });

  it('is unknown where one of them is', () =>
    expect(total({ value: 1, from: 'config' }, undefined)).toBeUndefined());
});

describe('what a run makes', () => {
  const needs = (models: readonly string[], change: object = {}) =>
    needsOf(PipelineConfig.parse({ ...demo, ...change, evaluate: { ...demo.evaluate, models } }));

  it('is what the evaluated models need', () => {
    expect(needs(['base'])).toEqual({ experts: [], gba: false, merges: [] });
    expect(needs(['BS', 'mixed'])).toEqual({ experts: ['BS', 'mixed'], gba: false, merges: [] });
    expect(needs(['gba'])).toEqual({ experts: ['AM', 'CAH', 'BS', 'CSI'], gba: true, merges: ['start'] });
    expect(needs(['final'])).toEqual({
      experts: ['AM', 'CAH', 'BS', 'CSI'],
      gba: true,
      merges: ['start', 'final'],
    });
  });

  it('follows where RL starts and how the last merge is made', () => {
    expect(needs(['gba'], { gba: { ...demo.gba, start: 'base' } })).toEqual({
      experts: [],
      gba: true,
      merges: [],
    });
    const slerp = { ...demo.merge, final: { ...demo.merge.final, method: 'slerp' } };
    expect(needs(['final'], { merge: slerp }).merges).toEqual(['mean', 'start', 'final']);
    expect(needs(['final'], { gba: { ...demo.gba, enabled: false } })).toMatchObject({
      gba: false,
      merges: ['final'],
    });
  });
});

describe('the plan of the paper', () => {
  const paper = presets['paper-2b'];
  it('has its 10K cases, 3.9K traces and what they cost', async () => {
    const stages = await planned(paper, { tokensPerTeacherAnswer: 1000, tokensPerQuestion: 380 });
    expect(stages.get('synthesize')).toMatchObject({
      calls: { value: 10_000, from: 'config' },
      tokens: { value: 15_000_000, from: 'assumed' },
    });
    // 5M tokens in at 1.25, 10M out at 10.
    expect(stages.get('synthesize')!.cost!.value).toBeCloseTo(106.25, 6);
    expect(stages.get('stratify')!.items!.value).toBe(3900);
    expect(stages.get('review')).toMatchObject({ items: { value: 6500 }, physicianHours: { value: 325 } });
    // 878 rows of a specialty, 3 epochs of windows of 8.
    expect(stages.get('sft/AM')!.steps!.value).toBe(330);
    expect(stages.get('gba')!.items).toEqual({ value: 488 * 8 * 8, from: 'config' });
  });

  it('knows hours only where a speed is known', async () => {
    expect((await planned(paper)).get('sft/AM')!.hours).toBeNull();
    const stages = await planned(paper, { trainSpeed: 878 * 800, sampleSpeed: 1000 });
    expect(stages.get('sft/AM')!.hours!.value).toBeCloseTo(3 / 3600, 9);
  });

  it('knows no price of a teacher that it does not know', async () => {
    const teacher = { ...paper.synthesize.teacher, model: 'house-model' };
    const config = { ...paper, synthesize: { ...paper.synthesize, teacher } };
    expect((await planned(config)).get('synthesize')!.cost).toBeNull();
    const priced = await planned(config, { priceInput: 0, priceOutput: 1 });
    expect(priced.get('synthesize')!.cost).toEqual({ value: 15, from: 'assumed' });
  });

  it('has the shapes of its bases, and asks for those it does not know', async () => {
    const [small, large] = [
      await baseConfig(paper.base, undefined),
      await baseConfig(presets['paper-7b'].base, undefined),
    ];
    expect(small.text).toMatchObject({ hiddenSize: 1536, layers: 28, kvHeads: 2, tied: true });
    expect(large.vision).toMatchObject({ kind: 'qwen2_5_vl', outDim: large.text.hiddenSize });
    await expect(baseConfig({ ...paper.base, path: 'models/other' }, undefined)).rejects.toThrow(UnknownBase);
  });
});

describe('predicted memory', () => {
  const memoryOf = async (config: PipelineConfig, step: string): Promise<number> =>
    (await planned(config)).get(step)!.peakMemory!.value;

  it('is less where layers are computed again, and more for more rollouts', async () => {
    const rows = { ...demo.sft.AM, accumulate: 16 };
    const kept = await memoryOf({ ...demo, sft: { ...demo.sft, AM: rows } }, 'sft/AM');
    const again = await memoryOf(
      { ...demo, sft: { ...demo.sft, AM: { ...rows, recompute: true } } },
      'sft/AM',
    );
    expect(again).toBeLessThan(kept);
    const few = await memoryOf(demo, 'gba');
    expect(await memoryOf({ ...demo, gba: { ...demo.gba, group: 32 } }, 'gba')).toBeGreaterThan(few);
  });
});

describe('a plan as text', () => {
  it('says of each number where it is from, and what is missing', async () => {
    const assumed = assumptionsFor(demo, { trainSpeed: 1000 });
    const stages = await planRun(demo, tiny, inFloat32, assumed);
    const text = renderPlan(stages, assumed, 'cpu');
    expect(text).toMatch(/^synthesize +1,920 config +288,000 assumed/m);
    expect(text).toMatch(/^sft\/AM .* MB predicted +0\.035 assumed/m);
    expect(text).toMatch(/^ {2}--train-speed +1,000 given/m);
    expect(text).toMatch(/^ {2}--sample-speed +unknown/m);
    expect(text).toContain('give --measure --model DIR');
    expect(renderPlan(stages, assumed, 'cuda')).toContain('GPU-hours');
  });
});
