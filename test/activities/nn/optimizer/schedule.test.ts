import { describe, expect, it } from 'vitest';
import { adamWHyper, learningRateAt } from '../../../../activities/nn/optimizer.ts';
import { OptimizerSettings } from '../../../../schemas/optimizer-settings.ts';

const at = (schedule: 'constant' | 'linear' | 'cosine', warmupSteps: number, step: number): number =>
  learningRateAt({ learningRate: 2, schedule, warmupSteps }, step, 100);

describe('learningRateAt', () => {
  it('stays where it is constant', () => {
    expect([0, 50, 99].map((s) => at('constant', 0, s))).toEqual([2, 2, 2]);
  });
  it('falls linearly to 0 at the end', () => {
    expect([0, 25, 50, 100].map((s) => at('linear', 0, s))).toEqual([2, 1.5, 1, 0]);
  });
  it('falls as half a cosine', () => {
    expect(at('cosine', 0, 0)).toBe(2);
    expect(at('cosine', 0, 50)).toBeCloseTo(1, 12);
    expect(at('cosine', 0, 25)).toBeCloseTo(1 + Math.SQRT1_2, 12);
    expect(at('cosine', 0, 100)).toBeCloseTo(0, 12);
  });
  it('rises from 0 in the warm-up and falls over the rest, as in transformers', () => {
    for (const schedule of ['constant', 'linear', 'cosine'] as const)
      expect([0, 5, 10].map((s) => at(schedule, 10, s))).toEqual([0, 1, 2]);
    expect(at('linear', 10, 55)).toBeCloseTo(1, 12);
    expect(at('cosine', 20, 60)).toBeCloseTo(1, 12);
  });
});

describe('adamWHyper', () => {
  it('holds the bias corrections of the step, in float64 until the last', () => {
    const settings = OptimizerSettings.parse({ learningRate: 0.1, schedule: 'constant', weightDecay: 0.5 });
    const [rate = 0, root = 0, decay = 0, max = 1] = adamWHyper(settings, 2, 10);
    expect(rate).toBeCloseTo(0.1 / (1 - 0.9 ** 3), 6);
    expect(root).toBeCloseTo(1 / Math.sqrt(1 - 0.999 ** 3), 5);
    expect(decay).toBeCloseTo(0.95, 6);
    expect(max).toBe(0);
  });
});
