import { describe, expect, it } from 'vitest';
import { applyVector } from '../../../activities/merge/rounding.ts';
import { decode, encode, toFloat32, type Dtype } from '../../../activities/nn/checkpoint/dtype.ts';
import { f32, given, mergeAll, random, type Merged } from './_merge.ts';

const base = random(1, 5001, 0.02);
const update = (size: number): Float32Array => random(2, base.length, size);
/** Base weights that bfloat16 holds exactly, as a bfloat16 checkpoint's are. */
const stored = toFloat32('BF16', encode('BF16', base));

const apply = async (
  vector: Float32Array,
  from: Dtype,
  to: Dtype,
  weights: Float32Array = from === 'BF16' ? stored : base,
): Promise<Merged> => {
  const setting = { base: { w: weights }, shapes: { w: [weights.length] }, from, to };
  return (await mergeAll([given('x', { w: vector })], { method: 'task-arithmetic' }, setting))['w']!;
};

describe('adding a vector to the base', () => {
  it('is done in float32 and loses nothing but float32’s last bits', async () => {
    const vector = update(1e-3);
    const { bytes, rounding } = await apply(vector, 'F32', 'F32');
    expect(decode('F32', bytes)).toEqual(base.map((x, i) => x + vector[i]!));
    expect(rounding).toMatchObject({ name: 'w', entries: base.length, nonZero: 1 });
    expect(rounding.relativeError).toBeLessThan(1e-5);
    expect(rounding.changed).toBe(1);
  });

  it('tells how much of an update bfloat16 swallows', async () => {
    const of = async (size: number) => (await apply(update(size), 'BF16', 'BF16')).rounding;
    expect((await of(1e-5)).relativeError).toBeGreaterThan(0.5);
    expect((await of(1e-5)).changed).toBeLessThan(0.2);
    expect((await of(1e-3)).relativeError).toBeLessThan(0.1);
  });

  it('rounds to bfloat16 and counts as plain code does', async () => {
    const vector = update(1e-4).map((x, i) => (i % 5 === 0 ? 0 : x));
    const { bytes, rounding } = await apply(vector, 'BF16', 'BF16');
    const plain = applyVector(encode('BF16', stored), vector, 'BF16', 'BF16');
    expect(Buffer.compare(bytes, plain.bytes)).toBe(0);
    expect(rounding.nonZero).toBe(plain.sums.nonZero / base.length);
    expect(rounding.changed).toBe(plain.sums.changed / base.length);
    expect(rounding.relativeError).toBeCloseTo(Math.sqrt(plain.sums.error / plain.sums.size), 6);
  });

  it('rounds ties to even, overflows to infinity and keeps NaN in bfloat16', async () => {
    const weights = f32(1, 1, 3e38, NaN, -1, 0);
    const vector = f32(2 ** -8, 3 * 2 ** -8, 2e38, 1, -(2 ** -8), 0);
    const { bytes } = await apply(vector, 'BF16', 'BF16', weights);
    expect([...toFloat32('BF16', bytes)]).toEqual([1, 1 + 2 ** -6, Infinity, NaN, -1, 0]);
  });

  it.each([
    ['BF16', 'F32'],
    ['F32', 'BF16'],
    ['BF16', 'F16'],
    ['F16', 'F16'],
  ] as const)('goes from %s to %s', async (from, to) => {
    const vector = update(1e-2);
    const { bytes } = await apply(vector, from, to);
    const start = toFloat32(from, encode(from, from === 'BF16' ? stored : base));
    const wanted = encode(
      to,
      start.map((x, i) => x + vector[i]!),
    );
    expect(Buffer.compare(bytes, wanted)).toBe(0);
  });

  it('reports no error for no update', async () => {
    for (const dtype of ['F32', 'BF16'] as const) {
      const { rounding } = await apply(new Float32Array(base.length), dtype, dtype);
      expect(rounding).toMatchObject({ nonZero: 0, changed: 0, relativeError: 0 });
    }
  });
});
