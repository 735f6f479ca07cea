/** A block of one source's vector: made, and counted for trimming. */
import { ceil4, PART, partsOf, put, type Range } from './blocks.ts';
import { kernels } from './kernels.ts';
import { BINS, LOWER_BINS } from './kernels/magnitudes.ts';
import { RANK_STEP } from './kernels/product.ts';
import type { CountTask, TiesTask, VectorTask } from './task.ts';

/** Adds counts to shared ones. */
const publish = (counts: Uint32Array, shared: Int32Array): void => {
  for (let bin = 0; bin < counts.length; bin++) if (counts[bin] !== 0) Atomics.add(shared, bin, counts[bin]!);
};

/** The upper halves' counts, of n entries that lie at `address`. */
const countUpper = (address: number, n: number, tables: number): void => {
  const whole = n - (n % 4);
  kernels().countUpper(address, whole, tables);
  const [bits, counts] = [kernels().counts(address, n), kernels().counts(tables, BINS)];
  for (let i = whole; i < n; i++) counts[(bits[i]! & 0x7fffffff) >>> 16]!++;
};

export const makeVector = (task: VectorTask, { from, to }: Range): boolean => {
  const { columns, vector, started, update, counts } = task;
  const k = kernels();
  const stride = ceil4(columns);
  const rows = Math.max(1, Math.floor(PART / stride));
  const rank = update ? Math.ceil(update.rank / RANK_STEP) * RANK_STEP : 0;
  const [out, start, ones, a, factors, tables] = k.reserve(
    4 * rows * stride,
    4 * rows * stride,
    8,
    4 * rank * stride,
    4 * rows * rank,
    16 * BINS,
  ) as [number, number, number, number, number, number];
  k.floats(ones, 2).fill(1);
  k.counts(tables, 4 * BINS).fill(0);
  if (update) {
    const lanes = k.floats(a, rank * stride).fill(0);
    for (let r = 0; r < update.rank; r++)
      lanes.set(update.a.subarray(r * columns, (r + 1) * columns), r * stride);
    k.floats(factors, rows * rank).fill(0);
  }
  let finite = true;
  for (const part of partsOf({ from: from / columns, to: to / columns }, rows)) {
    const height = part.to - part.from;
    // Rows whose length is a multiple of four follow each other in the kernels' memory as they do in the vector.
    const spans =
      stride === columns
        ? [{ at: 0, row: 0, n: height * columns }]
        : Array.from({ length: height }, (_, row) => ({ at: 4 * row * stride, row, n: columns }));
    const slice = ({ row, n }: { row: number; n: number }): Float32Array =>
      vector.subarray((part.from + row) * columns, (part.from + row) * columns + n);
    if (started) for (const span of spans) put((update ? start : out) + span.at, slice(span));
    if (update) {
      const lanes = k.floats(factors, rows * rank);
      for (let row = 0; row < height; row++)
        for (let r = 0; r < update.rank; r++)
          lanes[row * rank + r] = update.b[(part.from + row) * update.rank + r]! * update.scale;
      k.product(out, factors, a, height, rank, stride);
      if (started) k.weightedSum(out, height * stride, out, ones, 2, start - out, 1);
    }
    finite &&= k.diverged(out, height * stride) === 0;
    for (const span of spans) {
      if (counts) countUpper(out + span.at, span.n, tables);
      if (update) slice(span).set(k.floats(out + span.at, span.n));
    }
  }
  if (counts)
    for (let table = 0; table < 4; table++) publish(k.counts(tables + 4 * BINS * table, BINS), counts);
  return finite;
};

export const countLower = ({ vector, bin, counts }: CountTask, range: Range): undefined => {
  const k = kernels();
  const [x, table] = k.reserve(4 * PART, 4 * LOWER_BINS) as [number, number];
  const found = k.counts(table, LOWER_BINS).fill(0);
  for (const { from, to } of partsOf(range)) {
    const whole = to - ((to - from) % 4);
    put(x, vector.subarray(from, to));
    k.countLower(x, whole - from, bin, table);
    const bits = k.counts(x, to - from);
    for (let i = whole - from; i < bits.length; i++)
      if ((bits[i]! & 0x7fffffff) >>> 16 === bin) found[bits[i]! & 0xffff]!++;
  }
  publish(found, counts);
  return undefined;
};

export const countTies = ({ vector, bits }: TiesTask, { from, to }: Range): number => {
  const all = new Uint32Array(vector.buffer, vector.byteOffset + 4 * from, to - from);
  let ties = 0;
  for (let i = 0; i < all.length; i++) if ((all[i]! & 0x7fffffff) === bits) ties++;
  return ties;
};
