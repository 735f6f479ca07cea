import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { groupAdvantages, GroupSizeError } from '../../../activities/gba/advantages.ts';
import { hasShared, shared } from '../../_shared.ts';

const trl = { scale: 'group', std: 'unbiased', epsilon: 1e-4 } as const;

describe('groupAdvantages', () => {
  it.skipIf(!hasShared)('equals the golden advantages (unbiased spread, epsilon 1e-4)', async () => {
    const { gba } = JSON.parse(await readFile(shared('golden/qwen2_vl/expected.json'), 'utf8')) as {
      gba: { rewards: number[]; advantages: number[] };
    };
    const { advantages } = groupAdvantages(gba.rewards, gba.rewards.length, trl);
    for (const [i, a] of advantages.entries())
      expect(Math.abs(a - (gba.advantages[i] ?? NaN))).toBeLessThan(1e-6);
  });

  it('divides by G with the biased spread', () => {
    const { advantages } = groupAdvantages([0, 1, 1, 2], 4, { ...trl, std: 'biased', epsilon: 0 });
    expect(advantages[3]).toBeCloseTo(Math.SQRT2, 12);
  });

  it('compares each reward with its own group only', () => {
    const { advantages } = groupAdvantages([0, 1, 10, 11], 2, trl);
    expect(advantages[0]).toBe(advantages[2]);
    expect(advantages[1]).toBe(advantages[3]);
  });

  it('gives a group of equal rewards advantage 0 exactly and counts it', () => {
    const { advantages, fractionWithoutSpread } = groupAdvantages([0.1, 0.1, 0.1, 0, 1, 0], 3, trl);
    expect(advantages.slice(0, 3)).toEqual([0, 0, 0]);
    expect(fractionWithoutSpread).toBe(0.5);
  });

  it('counts by the spread of the whole batch where that is the divisor', () => {
    const counted = (rewards: number[]) =>
      groupAdvantages(rewards, 2, { ...trl, scale: 'batch' }).fractionWithoutSpread;
    expect(counted([1, 1, 0, 0])).toBe(0);
    expect(counted([1, 1, 1, 1])).toBe(1);
  });

  it('stays exact for rewards that are far from zero and close together', () => {
    const { advantages } = groupAdvantages([1e6, 1e6 + 1, 1e6, 1e6 + 1], 4, { ...trl, epsilon: 0 });
    expect(advantages[1]).toBeCloseTo(0.5 / Math.sqrt(1 / 3), 9);
  });

  it('divides by the spread of the whole batch, or by nothing, where asked', () => {
    const none = groupAdvantages([0, 1, 0, 3], 2, { ...trl, scale: 'none' });
    expect(none.advantages).toEqual([-0.5, 0.5, -1.5, 1.5]);
    const batch = groupAdvantages([0, 1, 0, 3], 2, { ...trl, scale: 'batch', epsilon: 0 });
    expect(batch.advantages[3]).toBeCloseTo(1.5 / Math.SQRT2, 12);
  });

  it('refuses rewards that do not make whole groups', () => {
    expect(() => groupAdvantages([1, 2, 3], 2, trl)).toThrow(GroupSizeError);
    expect(() => groupAdvantages([], 2, trl)).toThrow('0 rewards');
  });
});
