import { encode, toFloat32, type Dtype } from '../nn/checkpoint/dtype.ts';
import type { TensorRounding } from '../../schemas/merge-report.ts';

/** Over this, most of an update is lost to rounding. */
export const WORRYING_ERROR = 0.5;

/**
 * base + τ in the output type, and what rounding to it did.
 *
 * All tensors [n]; both sums are float32, as the model's own arithmetic is.
 */
export const applyVector = (
  name: string,
  base: Float32Array,
  vector: Float32Array,
  dtype: Dtype,
): { readonly bytes: Uint8Array; readonly rounding: TensorRounding } => {
  const sum = new Float32Array(base.length);
  for (let i = 0; i < base.length; i++) sum[i] = base[i]! + vector[i]!;
  const bytes = encode(dtype, sum);
  const stored = toFloat32(dtype, bytes);
  const before = toFloat32(dtype, encode(dtype, base));
  let [nonZero, changed, error, size] = [0, 0, 0, 0];
  for (let i = 0; i < base.length; i++) {
    const tau = vector[i]!;
    if (tau !== 0) nonZero++;
    if (stored[i] !== before[i]) changed++;
    error += (stored[i]! - base[i]! - tau) ** 2;
    size += tau ** 2;
  }
  const entries = base.length;
  const relativeError = size === 0 ? 0 : Math.sqrt(error / size);
  return {
    bytes,
    rounding: { name, entries, nonZero: nonZero / entries, changed: changed / entries, relativeError },
  };
};
