import { describe, expect, it } from 'vitest';
import { baseConfig, UnknownBase } from '../../../infra/plan/base-config.ts';
import { imageTokensOf } from '../../../infra/plan/cases.ts';
import type { PlannedStage } from '../../../infra/plan/plan.ts';
import { PipelineConfig } from '../../../schemas/config.ts';
import { presets } from '../../../schemas/presets.ts';
import { demo, planned, tiny } from './_planned.ts';

describe('the plan of the paper', () => {
  const paper = presets['paper-2b'];
  const given = { tokensPerQuestion: 380, tokensPerTeacherPrompt: 120, tokensPerTeacherAnswer: 1000 };
  const text = { ...paper, sources: { ...paper.sources, images: undefined } };

  it('has its 8K text cases, the traces that are kept of them, and what they cost', async () => {
    const stages = await planned(PipelineConfig.parse(text), given);
    expect(stages.get('synthesize/*')).toMatchObject({
      calls: { value: 8000, from: 'config' },
      tokens: { value: 12_000_000, from: 'given' },
    });
    // 4M tokens in at 1.25, 8M out at 10.
    expect(stages.get('synthesize/*')!.cost!.value).toBeCloseTo(85, 6);
    expect(stages.get('stratify')!.items!.value).toBe(3120);
    expect(stages.get('review')).toMatchObject({ items: { value: 5200 }, physicianHours: { value: 260 } });
    // 702 rows of a specialty, 3 epochs of windows of 8.
    expect(stages.get('sft/AM')!.steps!.value).toBe(264);
    expect(stages.get('sft/AM')!.tokens!.value).toBe(702 * 3 * 880);
    expect(stages.get('gba')!.items).toEqual({ value: 488 * 8 * 8, from: 'config' });
  });

  it('counts the tokens of images wherever a model or the teacher sees them', async () => {
    const [without, with1, with2] = [
      await planned(paper, { ...given, imagesPerCase: 0 }),
      await planned(paper, { ...given, imagesPerCase: 1, imageWidth: 560, imageHeight: 280 }),
      await planned(paper, { ...given, imagesPerCase: 2, imageWidth: 560, imageHeight: 280 }),
    ];
    const each = imageTokensOf({ vision: tiny.vision, base: paper.base }, { width: 560, height: 280 });
    expect(each).toBeGreaterThan(100);
    for (const line of ['sft/AM', 'gba', 'evaluate/*', 'evaluate/*/pmc-vqa']) {
      const [none, one, two] = [without, with1, with2].map((stages) => stages.get(line)!);
      const items = none!.items!.value * (line === 'sft/AM' ? paper.sft.AM.epochs : 1);
      expect(one!.tokens!.value - none!.tokens!.value, line).toBeCloseTo(items * each, 3);
      expect(two!.tokens!.value - none!.tokens!.value, line).toBeCloseTo(2 * items * each, 3);
    }
    const [sent, more] = [without, with1].map((stages) => stages.get('synthesize/*')!);
    expect(more!.tokens!.value - sent!.tokens!.value).toBeCloseTo(630 * sent!.calls!.value, 3);
    const peak = (stages: Map<string, PlannedStage>) => stages.get('sft/AM')!.peakMemory!.value;
    expect(peak(with1)).toBeGreaterThan(peak(without));
  });

  it('knows hours only where a speed is known', async () => {
    expect((await planned(paper)).get('sft/AM')!.hours).toBeNull();
    const speeds = { trainSpeed: 702 * 880, sampleSpeed: 1000 };
    const stages = await planned(PipelineConfig.parse(text), { ...given, ...speeds });
    expect(stages.get('sft/AM')!.hours!.value).toBeCloseTo(3 / 3600, 9);
  });

  it('knows no price of a teacher that it does not know', async () => {
    const teacher = { ...paper.synthesize.teacher, model: 'house-model' };
    const config = { ...paper, synthesize: { ...paper.synthesize, teacher } };
    expect((await planned(config)).get('synthesize/*')!.cost).toBeNull();
    const prices = { priceInput: 0, priceOutput: 1, tokensPerTeacherImage: 0 };
    const priced = await planned(config, prices);
    expect(priced.get('synthesize/*')!.cost!.value).toBeCloseTo((9524 * 1500) / 1e6, 9);
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
