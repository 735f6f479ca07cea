/** A block of several vectors: measured against each other, or made one and added to the base. */
import { bytesOf, toFloat32, type Dtype } from '../nn/checkpoint/dtype.ts';
import { ceil4, PART, partsOf, put, type Range } from './blocks.ts';
import { dropAndRescale } from './dare.ts';
import { kernels } from './kernels.ts';
import { addSums, applyVector, roundingSums, type RoundingSums } from './rounding.ts';
import { innerProducts, slerpVector, type InnerProducts } from './slerp.ts';
import type { CombineTask, InnerProductsTask } from './task.ts';

/** What `applyBfloat16` counts and sums up. */
const TOTALS_BYTES = 64;

/** The bytes of a range of entries. */
const sliceOf = (bytes: Uint8Array, dtype: Dtype, { from, to }: Range): Uint8Array =>
  bytes.subarray(from * bytesOf(dtype), to * bytesOf(dtype));

export const sumProducts = (task: InnerProductsTask, range: Range): InnerProducts => {
  let [aa, bb, ab] = [0, 0, 0];
  for (const part of partsOf(range)) {
    const [a, b] = task.ends.map((end) => end?.subarray(part.from, part.to));
    const [pa, pb, pab] = innerProducts(toFloat32(task.from, sliceOf(task.base, task.from, part)), a, b);
    aa += pa;
    bb += pb;
    ab += pab;
  }
  return [aa, bb, ab];
};

const addToBase = (
  { from: dtype, to: outDtype, base, out }: CombineTask,
  part: Range,
  tau: number,
  scratch: { readonly before: number; readonly after: number; readonly totals: number },
): RoundingSums => {
  const k = kernels();
  const n = part.to - part.from;
  const before = sliceOf(base, dtype, part);
  const after = sliceOf(out, outDtype, part);
  if (dtype !== 'BF16' || outDtype !== 'BF16') {
    const applied = applyVector(before, k.floats(tau, n), dtype, outDtype);
    after.set(applied.bytes);
    return applied.sums;
  }
  const padded = k.bytes(scratch.before, 2 * ceil4(n));
  padded.set(before);
  padded.fill(0, 2 * n);
  k.bytes(scratch.totals, TOTALS_BYTES).fill(0);
  k.applyBfloat16(scratch.after, scratch.before, tau, ceil4(n), scratch.totals);
  after.set(k.bytes(scratch.after, 2 * n));
  return roundingSums(scratch.totals);
};

export const combine = (task: CombineTask, block: number, range: Range): RoundingSums => {
  const { combination, lambda } = task;
  const k = kernels();
  const vectors = combination.by === 'arc' ? [] : combination.vectors;
  const distance = 4 * PART;
  const [tau, xs, weights, before, after, totals] = k.reserve(
    distance,
    distance * vectors.length,
    4 * vectors.length,
    2 * PART,
    2 * PART,
    TOTALS_BYTES,
  ) as [number, number, number, number, number, number];
  k.floats(weights, vectors.length).set(vectors.map(({ weight }) => weight));
  const ties = vectors.map(({ threshold }) => threshold?.ties[block] ?? 0);
  let sums: RoundingSums = { nonZero: 0, changed: 0, error: 0, size: 0 };
  for (const part of partsOf(range)) {
    const n = part.to - part.from;
    const merged = k.floats(tau, n);
    if (combination.by === 'arc') {
      const [a, b] = combination.ends.map((end) => end?.subarray(part.from, part.to));
      const base = toFloat32(task.from, sliceOf(task.base, task.from, part));
      slerpVector(merged, base, a, b, combination.factors, lambda);
      k.floats(tau, ceil4(n)).fill(0, n);
    } else {
      for (const [v, { vector, threshold, drop }] of vectors.entries()) {
        const x = xs + v * distance;
        put(x, vector.subarray(part.from, part.to));
        if (threshold) ties[v] = k.trim(x, ceil4(n), threshold.bits, ties[v]!);
        if (drop) dropAndRescale(k.floats(x, n), drop.density, drop.key, part.from);
      }
      const blend = combination.by === 'election' ? k.electAndAverage : k.weightedSum;
      blend(tau, ceil4(n), xs, weights, vectors.length, distance, lambda);
    }
    task.tau?.set(merged, part.from);
    sums = addSums(sums, addToBase(task, part, tau, { before, after, totals }));
  }
  return sums;
};
