/**
 * What threads do in a merge: work on one tensor that is cut into blocks, which they take one by one.
 *
 * Large arrays lie in memory that the threads share. Blocks do not depend on the number of threads, counts are whole
 * numbers, and sums are made block by block, so that the result does not depend on it either.
 * Legend: N rows and K columns of the tensor (outputs and inputs of a linear layer), n = N·K entries, r rank.
 */
import { bytesOf, toFloat32, type Dtype } from '../nn/checkpoint/dtype.ts';
import type { RandomKey } from '../nn/random.ts';
import { dropAndRescale } from './dare.ts';
import { BINS, kernels, LOWER_BINS, RANK_STEP } from './kernels.ts';
import { addSums, applyVector, roundingSums, type RoundingSums } from './rounding.ts';
import { innerProducts, slerpVector, type InnerProducts } from './slerp.ts';

/** Entries of a block. */
const BLOCK = 1 << 20;
/** Entries of each array that lie in the kernels' memory at once, small enough to stay in a core's cache. */
const PART = 1 << 14;

/** What `applyBfloat16` counts and sums up. */
const TOTALS_BYTES = 64;

/** The low-rank update of the tensor. */
export interface LowRank {
  readonly rank: number;
  /** s: what the product is multiplied by. */
  readonly scale: number;
  /** [r, K] */
  readonly a: Float32Array;
  /** [N, r] */
  readonly b: Float32Array;
}

/** Makes τ of one source: s·B·A, plus what `vector` already holds where `started`. */
export interface VectorTask {
  readonly kind: 'vector';
  readonly columns: number;
  /** [n] */
  readonly vector: Float32Array;
  readonly started: boolean;
  readonly update: LowRank | undefined;
  /** [BINS] Upper halves of the magnitudes are counted here. */
  readonly counts: Int32Array | undefined;
}

/** Counts the lower halves of those magnitudes whose upper half is `bin`. */
export interface CountTask {
  readonly kind: 'count';
  readonly vector: Float32Array;
  readonly bin: number;
  /** [LOWER_BINS] */
  readonly counts: Int32Array;
}

/** Counts the magnitudes of just these bits, block by block. */
export interface TiesTask {
  readonly kind: 'ties';
  readonly vector: Float32Array;
  readonly bits: number;
}

/** Inner products of two models' tensors, base + vector each. */
export interface InnerProductsTask {
  readonly kind: 'inner-products';
  readonly ends: readonly [Float32Array | undefined, Float32Array | undefined];
  readonly base: Uint8Array;
  readonly from: Dtype;
}

/** One vector of those that are combined. */
export interface Combined {
  readonly vector: Float32Array;
  readonly weight: number;
  /** Trims: keeps magnitudes above `bits`, and of equal ones the first `ties[block]` of each block. */
  readonly threshold: { readonly bits: number; readonly ties: readonly number[] } | undefined;
  /** Drops at random. */
  readonly drop: { readonly key: RandomKey; readonly density: number } | undefined;
}

/** How vectors become one: by their weighted sum, by the elected sign, or along the arc between two models. */
export type Combination =
  | { readonly by: 'sum' | 'election'; readonly vectors: readonly Combined[] }
  | {
      readonly by: 'arc';
      readonly ends: InnerProductsTask['ends'];
      readonly factors: readonly [number, number];
    };

/** Combines vectors to the merged τ, λ included, and adds it to the base. */
export interface CombineTask {
  readonly kind: 'combine';
  readonly combination: Combination;
  readonly lambda: number;
  readonly base: Uint8Array;
  readonly from: Dtype;
  /** Receives base + τ in the type `to`. */
  readonly out: Uint8Array;
  readonly to: Dtype;
  /** [n] Receives τ. */
  readonly tau: Float32Array | undefined;
}

export type Task = VectorTask | CountTask | TiesTask | InnerProductsTask | CombineTask;

/** What one block of each kind of task gives: for a vector whether it is finite, for ties how many there are. */
export interface Results {
  readonly vector: boolean;
  readonly count: undefined;
  readonly ties: number;
  readonly 'inner-products': InnerProducts;
  readonly combine: RoundingSums;
}

const entriesOf = (task: Task): number => {
  if ('vector' in task) return task.vector.length;
  return task.base.byteLength / bytesOf(task.from);
};

/** Blocks of a vector are of whole rows. */
const entriesOfBlock = (task: Task): number =>
  task.kind === 'vector' ? Math.max(1, Math.floor(BLOCK / task.columns)) * task.columns : BLOCK;

export const blocksOf = (task: Task): number => Math.ceil(entriesOf(task) / entriesOfBlock(task));

interface Range {
  readonly from: number;
  readonly to: number;
}

/** Parts of a range of at most `size` entries. */
const partsOf = function* ({ from, to }: Range, size = PART): Generator<Range> {
  for (let at = from; at < to; at += size) yield { from: at, to: Math.min(to, at + size) };
};

const ceil4 = (n: number): number => Math.ceil(n / 4) * 4;

/** Puts entries into the kernels' memory, with zeros up to a multiple of four. */
const put = (address: number, entries: Float32Array): void => {
  const padded = kernels().floats(address, ceil4(entries.length));
  padded.set(entries);
  padded.fill(0, entries.length);
};

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

const makeVector = (task: VectorTask, { from, to }: Range): boolean => {
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

const countLower = ({ vector, bin, counts }: CountTask, range: Range): undefined => {
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

const countTies = ({ vector, bits }: TiesTask, { from, to }: Range): number => {
  const all = new Uint32Array(vector.buffer, vector.byteOffset + 4 * from, to - from);
  let ties = 0;
  for (let i = 0; i < all.length; i++) if ((all[i]! & 0x7fffffff) === bits) ties++;
  return ties;
};

/** The bytes of a range of entries. */
const sliceOf = (bytes: Uint8Array, dtype: Dtype, { from, to }: Range): Uint8Array =>
  bytes.subarray(from * bytesOf(dtype), to * bytesOf(dtype));

const sumProducts = (task: InnerProductsTask, range: Range): InnerProducts => {
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

const combine = (task: CombineTask, block: number, range: Range): RoundingSums => {
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

/** Does one block of a task. */
export const perform = (task: Task, block: number): Results[Task['kind']] => {
  const size = entriesOfBlock(task);
  const range = { from: block * size, to: Math.min(entriesOf(task), (block + 1) * size) };
  if (task.kind === 'vector') return makeVector(task, range);
  if (task.kind === 'count') return countLower(task, range);
  if (task.kind === 'ties') return countTies(task, range);
  if (task.kind === 'inner-products') return sumProducts(task, range);
  return combine(task, block, range);
};
