/**
 * SLERP: from one model's tensor to another's along the arc between them.
 *
 * As mergekit does: the angle is that of the tensors as vectors, the weights sin((1−t)θ)/sin θ and sin(tθ)/sin θ act
 * on the tensors as they are; nearly parallel ones (cosine over 0.9995) are interpolated on the straight line. The
 * update's own angle plays no part: the whole weights are turned, and lie close together.
 */

const PARALLEL = 0.9995;
const EPSILON = 1e-8;

/** Inner products of two tensors: a·a, b·b, a·b. */
export type InnerProducts = readonly [number, number, number];

/** Inner products of base + a and base + b, each sum float32; all [n], an end that is the base itself undefined. */
export const innerProducts = (
  base: Float32Array,
  a: Float32Array | undefined,
  b: Float32Array | undefined,
): InnerProducts => {
  let [aa, bb, ab] = [0, 0, 0];
  for (let i = 0; i < base.length; i++) {
    const x = Math.fround(base[i]! + (a ? a[i]! : 0));
    const y = Math.fround(base[i]! + (b ? b[i]! : 0));
    aa += x * x;
    bb += y * y;
    ab += x * y;
  }
  return [aa, bb, ab];
};

/** Factors on the two tensors whose sum is `t` (0 … 1) of the way from the first to the second. */
export const slerpFactors = ([aa, bb, ab]: InnerProducts, t: number): readonly [number, number] => {
  const [lengthA, lengthB] = [Math.sqrt(aa), Math.sqrt(bb)];
  const cosine = ab / (lengthA > EPSILON ? lengthA : 1) / (lengthB > EPSILON ? lengthB : 1);
  if (Math.abs(cosine) > PARALLEL) return [1 - t, t];
  const angle = Math.acos(cosine);
  return [Math.sin((1 - t) * angle) / Math.sin(angle), Math.sin(t * angle) / Math.sin(angle)];
};

/** λ · (f · (base + a) + g · (base + b) − base) into `out`: the task vector of the model on the arc. All [n]. */
export const slerpVector = (
  out: Float32Array,
  base: Float32Array,
  a: Float32Array | undefined,
  b: Float32Array | undefined,
  [f, g]: readonly [number, number],
  lambda: number,
): void => {
  for (let i = 0; i < base.length; i++) {
    const x = Math.fround(base[i]! + (a ? a[i]! : 0));
    const y = Math.fround(base[i]! + (b ? b[i]! : 0));
    out[i] = lambda * (Math.fround(f * x + g * y) - base[i]!);
  }
};
