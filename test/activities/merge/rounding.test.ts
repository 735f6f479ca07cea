import { describe, expect, it } from 'vitest';
import { applyVector } from '../../../activities/merge/rounding.ts';
import { decode } from '../../../activities/nn/checkpoint/dtype.ts';
import { normal, randomKey } from '../../../activities/nn/random.ts';

const base = normal(randomKey(1), 20_000).map((x) => x * 0.02);
const update = (size: number): Float32Array => normal(randomKey(2), base.length).map((x) => x * size);

describe('applyVector', () => {
  it('adds in float32 and loses nothing but float32’s last bits', () => {
    const vector = update(1e-3);
    const { bytes, rounding } = applyVector('w', base, vector, 'F32');
    expect(decode('F32', bytes)).toEqual(base.map((x, i) => x + vector[i]!));
    expect(rounding).toMatchObject({ name: 'w', entries: base.length, nonZero: 1 });
    expect(rounding.relativeError).toBeLessThan(1e-5);
    expect(rounding.changed).toBe(1);
  });

  it('tells how much of an update bfloat16 swallows', () => {
    // Base weights that bfloat16 holds exactly, as a bfloat16 checkpoint's are.
    const stored = new Float32Array(new Uint32Array(base.buffer).map((bits) => bits & 0xffff0000).buffer);
    const of = (size: number) => applyVector('w', stored, update(size), 'BF16').rounding;
    expect(of(1e-5).relativeError).toBeGreaterThan(0.5);
    expect(of(1e-5).changed).toBeLessThan(0.2);
    expect(of(1e-3).relativeError).toBeLessThan(0.1);
  });

  it('reports no error for no update', () => {
    const { rounding } = applyVector('w', base, new Float32Array(base.length), 'F32');
    expect(rounding).toMatchObject({ nonZero: 0, changed: 0, relativeError: 0 });
  });
});
