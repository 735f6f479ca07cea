import { describe, expect, it } from 'vitest';
import { keptOf } from '../../../activities/merge/trim.ts';
import { normal, randomKey } from '../../../activities/nn/random.ts';
import { f32, given, mergeAll, mergeOne } from './_merge.ts';

/** Trimming by a sort: largest magnitude first, of equal ones the first. */
const bySort = (x: Float32Array, k: number): Float32Array => {
  const order = Array.from(x.keys()).toSorted((a, b) => Math.abs(x[b]!) - Math.abs(x[a]!) || a - b);
  const kept = new Set(order.slice(0, k));
  // Adding 0 makes −0 a 0, as a sum of vectors does.
  return x.map((value, i) => (kept.has(i) ? value + 0 : 0));
};

/** Random values, many of them equal in magnitude. */
const sample = (seed: number, length: number): Float32Array =>
  normal(randomKey(seed), length).map((x, i) =>
    i % 3 === 0 ? Math.round(x * 2) / 2 : x * 10 ** ((i % 9) - 6),
  );

/** TIES of one vector is its trimming. */
const trimmed = (x: Float32Array, density: number): Promise<Float32Array> =>
  mergeOne([x], { method: 'ties', density });

describe('trimming a tensor', () => {
  it.each([1, 2, 3, 10, 257, 5000])(
    'keeps exactly what a stable sort keeps, of %i entries',
    async (length) => {
      for (const density of [0.001, 0.2, 0.5, 0.9, 1]) {
        const x = sample(length, length);
        const wanted = bySort(x, keptOf(density, length));
        expect(await trimmed(x, density)).toEqual(wanted);
      }
    },
  );

  it('keeps the first of equal magnitudes, whatever their signs', async () => {
    expect([...(await trimmed(f32(1, -1, 1, -1, 0.5), 0.4))]).toEqual([1, -1, 0, 0, 0]);
  });

  it('keeps the first of equal magnitudes across millions of entries', async () => {
    const length = 2_500_001;
    const merged = await trimmed(new Float32Array(length).fill(-1), 0.7);
    const kept = keptOf(0.7, length);
    expect(merged.indexOf(0)).toBe(kept);
    expect(merged.lastIndexOf(-1)).toBe(kept - 1);
  });

  it('keeps one entry where the density asks for less', async () => {
    expect([...(await trimmed(f32(0.1, -3, 2), 0.01))]).toEqual([0, -3, 0]);
  });

  it('rounds the number of entries down, as mergekit and PEFT do', () => {
    expect(keptOf(0.2, 14)).toBe(2);
    expect(keptOf(0.29, 100)).toBe(28);
  });
});

describe('trimming across tensors', () => {
  it('keeps what trimming their concatenation keeps, of each vector its own', async () => {
    const [first, second] = [
      { a: sample(1, 400), b: sample(2, 7), c: sample(3, 1200) },
      { b: sample(4, 7), c: sample(5, 1200) },
    ];
    const shapes = { a: [400], b: [7], c: [1200] };
    const global = { method: 'ties', density: 0.3, trim: 'global' } as const;
    for (const tensors of [first, second]) {
      const merged = await mergeAll([given('x', tensors)], global, { shapes });
      const whole = Float32Array.from(Object.values(tensors).flatMap((part) => [...part]));
      const wanted = bySort(whole, keptOf(0.3, whole.length));
      expect(Object.values(merged).flatMap(({ vector }) => [...vector])).toEqual([...wanted]);
    }
    const both = await mergeAll([given('x', first), given('y', second)], global, { shapes });
    const alone = await mergeAll([given('x', first)], global, { shapes });
    expect(both['a']!.vector).toEqual(alone['a']!.vector);
  });
});
