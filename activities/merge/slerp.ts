/**
 * SLERP: from one model's tensor to another's along the arc between them.
 *
 * As mergekit does: the angle is that of the tensors as vectors, the weights sin((1−t)θ)/sin θ and sin(tθ)/sin θ act
 * on the tensors as they are; nearly parallel ones (cosine over 0.9995) are interpolated on the straight line. The
 * update's own angle plays no part: the whole weights are turned, and lie close together.
 */

const PARALLEL = 0.9995;
const EPSILON = 1e-8;

const norm = (x: Float32Array): number => Math.sqrt(x.reduce((sum, value) => sum + value * value, 0));

/** The tensor `t` (0 … 1) of the way from `a` to `b`, both [n]. */
export const slerp = (a: Float32Array, b: Float32Array, t: number): Float32Array => {
  const [lengthA, lengthB] = [norm(a), norm(b)];
  const [unitA, unitB] = [lengthA > EPSILON ? lengthA : 1, lengthB > EPSILON ? lengthB : 1];
  let dot = 0;
  for (let i = 0; i < a.length; i++) dot += (a[i]! / unitA) * (b[i]! / unitB);
  let [fromA, fromB] = [1 - t, t];
  if (Math.abs(dot) <= PARALLEL) {
    const angle = Math.acos(dot);
    [fromA, fromB] = [Math.sin((1 - t) * angle) / Math.sin(angle), Math.sin(t * angle) / Math.sin(angle)];
  }
  return Float32Array.from(a, (value, i) => fromA * value + fromB * b[i]!);
};
