import { describe, expect, it } from 'vitest';
import { createTrimmer, keptOf, thresholdOf, trimTensor } from '../../../activities/merge/trim.ts';
import { normal, randomKey } from '../../../activities/nn/random.ts';

/** Trimming by a sort: largest magnitude first, of equal ones the first. */
const bySort = (x: Float32Array, k: number): Float32Array => {
  const order = Array.from(x.keys()).toSorted((a, b) => Math.abs(x[b]!) - Math.abs(x[a]!) || a - b);
  const kept = new Set(order.slice(0, k));
  return x.map((value, i) => (kept.has(i) ? value : 0));
};

/** Random values, many of them equal in magnitude. */
const sample = (seed: number, length: number): Float32Array =>
  normal(randomKey(seed), length).map((x, i) =>
    i % 3 === 0 ? Math.round(x * 2) / 2 : x * 10 ** ((i % 9) - 6),
  );

describe('trimTensor', () => {
  it.each([1, 2, 3, 10, 257, 5000])(
    'keeps exactly what a stable sort keeps, of %i entries',
    async (length) => {
      for (const density of [0.001, 0.2, 0.5, 0.9, 1]) {
        const x = sample(length, length);
        const want = density === 1 ? x.slice() : bySort(x, keptOf(density, length));
        await trimTensor(x, density);
        expect(x).toEqual(want);
      }
    },
  );

  it('keeps the first of equal magnitudes, whatever their signs', async () => {
    const x = Float32Array.of(1, -1, 1, -1, 0.5);
    await trimTensor(x, 0.4);
    expect([...x]).toEqual([1, -1, 0, 0, 0]);
  });

  it('keeps one entry where the density asks for less', async () => {
    const x = Float32Array.of(0.1, -3, 2);
    await trimTensor(x, 0.01);
    expect([...x]).toEqual([0, -3, 0]);
  });

  it('rounds the number of entries down, as mergekit and PEFT do', () => {
    expect(keptOf(0.2, 14)).toBe(2);
    expect(keptOf(0.29, 100)).toBe(28);
  });
});

describe('a threshold across tensors', () => {
  it('keeps what trimming their concatenation keeps', async () => {
    const parts = [sample(1, 400), sample(2, 7), sample(3, 1200)];
    const whole = Float32Array.from(parts.flatMap((part) => [...part]));
    const want = bySort(whole, keptOf(0.3, whole.length));
    const trim = createTrimmer(await thresholdOf(() => parts, keptOf(0.3, whole.length)));
    for (const part of parts) trim(part);
    expect(Float32Array.from(parts.flatMap((part) => [...part]))).toEqual(want);
  });
});
