import { encode, toFloat32, type Dtype } from '../nn/checkpoint/dtype.ts';
import type { TensorRounding } from '../../schemas/merge-report.ts';
import { kernels } from './kernels.ts';

/** Over this, most of an update is lost to rounding. */
export const WORRYING_ERROR = 0.5;

/** What rounding did to some entries: how many of τ are not 0, how many changed, ‖(stored − base) − τ‖² and ‖τ‖². */
export interface RoundingSums {
  readonly nonZero: number;
  readonly changed: number;
  readonly error: number;
  readonly size: number;
}

/**
 * base + τ in the output type, and what rounding to it did. All [n]; `base` are bytes of `from`, the result those of `to`.
 * The sum is float32, as the model's own arithmetic is.
 */
export const applyVector = (
  base: Uint8Array,
  tau: Float32Array,
  from: Dtype,
  to: Dtype,
): { readonly bytes: Uint8Array; readonly sums: RoundingSums } => {
  const start = toFloat32(from, base);
  const sum = new Float32Array(tau.length);
  for (let i = 0; i < sum.length; i++) sum[i] = start[i]! + tau[i]!;
  const bytes = encode(to, sum);
  const stored = toFloat32(to, bytes);
  const before = from === to ? start : toFloat32(to, encode(to, start));
  let [nonZero, changed, error, size] = [0, 0, 0, 0];
  for (let i = 0; i < sum.length; i++) {
    if (tau[i] !== 0) nonZero++;
    if (stored[i] !== before[i]) changed++;
    error += (stored[i]! - start[i]! - tau[i]!) ** 2;
    size += tau[i]! ** 2;
  }
  return { bytes, sums: { nonZero, changed, error, size } };
};

/** The sums of `applyBfloat16`, which lie in the kernels' memory at `address`. */
export const roundingSums = (address: number): RoundingSums => {
  const counts = kernels().counts(address, 8);
  const [error0, error1, size0, size1] = kernels().doubles(address + 32, 4);
  return {
    nonZero: counts.subarray(0, 4).reduce((sum, n) => sum + n, 0),
    changed: counts.subarray(4).reduce((sum, n) => sum + n, 0),
    error: error0! + error1!,
    size: size0! + size1!,
  };
};

export const addSums = (a: RoundingSums, b: RoundingSums): RoundingSums => ({
  nonZero: a.nonZero + b.nonZero,
  changed: a.changed + b.changed,
  error: a.error + b.error,
  size: a.size + b.size,
});

/** The sums of a whole tensor as the report has them. */
export const roundingOf = (name: string, entries: number, sums: RoundingSums): TensorRounding => ({
  name,
  entries,
  nonZero: sums.nonZero / entries,
  changed: sums.changed / entries,
  relativeError: sums.size === 0 ? 0 : Math.sqrt(sums.error / sums.size),
});
