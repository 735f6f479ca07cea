/**
 * Merging task vectors, tensor by tensor: each method of the paper's comparison.
 *
 * θ = θ_base + τ with τ = λ · (merged vectors) (eq. 7). Tensors that no vector touches are not merged at all.
 *
 * - `linear`: Σ wᵢτᵢ / Σ wᵢ; with equal weights the paper's "Naive" merge.
 * - `task-arithmetic`: Σ wᵢτᵢ (Ilharco et al. 2023, https://arxiv.org/abs/2212.04089).
 * - `slerp`: `slerp.ts`.
 * - `ties`: of trimmed vectors, elect each entry's sign and average those that agree with it (Yadav et al. 2023,
 *   https://arxiv.org/abs/2306.01708 §3). The published implementations differ; this is mergekit's variant, which its
 *   golden files pin:
 *   1. Trimming is per tensor unless asked for across the whole vector (the authors' code).
 *   2. The sign is that of Σ wᵢτᵢ, weights included; a sum of 0 elects +.
 *   3. The mean is Σ wᵢτᵢ / Σ wᵢ over the agreeing entries, so that a common factor of the weights cancels; 0 where
 *      none agrees.
 * - `dare-ties`: the same, of vectors with entries dropped at random (`dare.ts`) instead of trimmed.
 */
import type { MergeParams } from '../../schemas/merge-params.ts';
import type { TensorRounding } from '../../schemas/merge-report.ts';
import { bytesOf, elementsOf, type Dtype } from '../nn/checkpoint/dtype.ts';
import type { Threads } from '../nn/runtime/threads.ts';
import { dropKey } from './dare.ts';
import { BINS, LOWER_BINS } from './kernels/magnitudes.ts';
import { addSums, roundingOf } from './rounding.ts';
import { slerpFactors } from './slerp.ts';
import { NonFiniteVector, touchedBy, touchedTensors, updateOf, type VectorSource } from './task-vector.ts';
import { blocksOf } from './blocks.ts';
import type { Combination, Combined, Results, Task } from './task.ts';
import { keptOf, placeOf, thresholdOf, type Threshold } from './trim.ts';

/** The vectors cannot be merged in the way asked for. */
export class MergeError extends Error {
  override readonly name = 'MergeError';
}

/** Threads that do the tasks of a merge. */
export type MergeThreads = Threads<Task, Results[Task['kind']]>;

export interface MergeJob {
  readonly params: MergeParams;
  readonly sources: readonly VectorSource[];
  /** Of a tensor of the base: its shape, its type and the type it is to have. */
  readonly tensor: (name: string) => {
    readonly shape: readonly number[];
    readonly from: Dtype;
    readonly to: Dtype;
  };
  /** Reads a tensor of the base as it is stored. */
  readonly readBase: (tensor: string, into: Uint8Array) => Promise<void>;
  /** Whether merged vectors are wanted beside the weights. */
  readonly keepVector: boolean;
  readonly threads: MergeThreads;
  readonly signal: AbortSignal;
}

/** A merged tensor. Its arrays are used again by the merge of the tensor after the next one. */
export interface MergedTensor {
  /** base + τ in the type asked for. */
  readonly bytes: Uint8Array;
  /** τ [n], where it is kept. */
  readonly vector: Float32Array | undefined;
  readonly rounding: TensorRounding;
}

/** Lets every entry equal to the threshold stay in every block. */
const ALL = 0x7fffffff;

/** The two ends of a slerp, from and to. */
const endsOf = ({ ends }: MergeParams, sources: readonly VectorSource[]): readonly number[] => {
  const byDefault = sources.toSorted(
    (a, b) => Number(a.name === 'RL') - Number(b.name === 'RL') || (a.name < b.name ? -1 : 1),
  );
  const names = ends ?? byDefault.map(({ name }) => name);
  const found = names.map((name) => sources.findIndex((source) => source.name === name));
  if (sources.length !== 2 || found.length !== 2 || found.includes(-1) || found[0] === found[1])
    throw new MergeError(`slerp takes two models, got ${sources.map(({ name }) => name).join(', ')}`);
  return found;
};

/** Weights as the method counts them. */
const weightsOf = ({ method }: MergeParams, sources: readonly VectorSource[]): number[] => {
  const total = sources.reduce((sum, { weight }) => sum + weight, 0);
  if (method === 'linear' && total === 0)
    throw new MergeError('the weights of a linear merge add up to 0, so that there is no mean');
  return sources.map(({ weight }) => (method === 'linear' ? weight / total : weight));
};

/** Makes the function that merges one tensor; call it on each of `touchedTensors` once, one after the other. */
export const createMerge = async (job: MergeJob): Promise<(tensor: string) => Promise<MergedTensor>> => {
  const { params, sources, threads } = job;
  if (sources.length === 0) throw new MergeError('there is no vector to merge');
  const { method, density, lambda, seed, t } = params;
  const ends = method === 'slerp' ? endsOf(params, sources) : [];
  const weights = weightsOf(params, sources);
  const touched = touchedTensors(sources);
  const trims = method === 'ties' && density < 1;

  const most = Math.max(...touched.map((name) => elementsOf(job.tensor(name).shape)));
  // Memory that is never written takes no room.
  const shared = (): SharedArrayBuffer => new SharedArrayBuffer(4 * most);
  const counters = (bins: number): Int32Array[] =>
    sources.map(() => new Int32Array(new SharedArrayBuffer(4 * bins)));
  const slots = sources.map(shared);
  const base = new SharedArrayBuffer(8 * most);
  const [outs, taus] = [[0, 1].map(() => new SharedArrayBuffer(8 * most)), [shared(), shared()]];
  const [upper, lower] = [counters(BINS), counters(LOWER_BINS)];

  const run = <K extends Task['kind']>(task: Extract<Task, { kind: K }>): Promise<Results[K][]> =>
    threads.run(task, blocksOf(task)) as Promise<Results[K][]>;

  /** τ of each source in one tensor, undefined where it does not touch it; counts upper halves where asked to. */
  const makeVectors = async (
    name: string,
    counts?: readonly Int32Array[],
  ): Promise<(Float32Array | undefined)[]> => {
    job.signal.throwIfAborted();
    const { shape } = job.tensor(name);
    return Promise.all(
      sources.map(async (source, s) => {
        const started = source.start?.tensors.has(name) ?? false;
        const update = updateOf(source, name);
        if (!started && update === undefined) return undefined;
        const vector = new Float32Array(slots[s]!, 0, elementsOf(shape));
        if (started) vector.set(await source.start!.read(name));
        const columns = shape.at(-1) ?? 1;
        const finite = await run({ kind: 'vector', columns, vector, started, update, counts: counts?.[s] });
        if (finite.includes(false)) throw new NonFiniteVector(source.name, name);
        return vector;
      }),
    );
  };

  /** The threshold of one source for `k` entries; `count` adds the lower halves of a bin to the counters. */
  const findThreshold = async (
    s: number,
    k: number,
    count: (bin: number, counts: Int32Array) => Promise<unknown>,
  ): Promise<Threshold> => {
    const place = placeOf(upper[s]!, k);
    await count(place.bin, lower[s]!);
    const threshold = thresholdOf(place, lower[s]!, k);
    upper[s]!.fill(0);
    lower[s]!.fill(0);
    return threshold;
  };

  /** One threshold a source for all its tensors, which are made twice for it. */
  const globalThresholds = async (): Promise<Threshold[]> => {
    for (const name of touched) await makeVectors(name, upper);
    const kept = sources.map((source) => {
      const own = [...touchedBy(source)].map((name) => elementsOf(job.tensor(name).shape));
      return keptOf(
        density,
        own.reduce((sum, n) => sum + n, 0),
      );
    });
    const bins = kept.map((k, s) => placeOf(upper[s]!, k).bin);
    for (const name of touched) {
      const vectors = await makeVectors(name);
      await Promise.all(
        vectors.map(
          async (vector, s) => vector && run({ kind: 'count', vector, bin: bins[s]!, counts: lower[s]! }),
        ),
      );
    }
    return Promise.all(kept.map((k, s) => findThreshold(s, k, async () => {})));
  };
  const overall = trims && params.trim === 'global' ? await globalThresholds() : undefined;
  const left = overall?.map(({ ties }) => ties);

  const tensorThreshold = (vector: Float32Array, s: number): Promise<Threshold> =>
    findThreshold(s, keptOf(density, vector.length), (bin, counts) =>
      run({ kind: 'count', vector, bin, counts }),
    );

  /** How many of the entries equal to the threshold stay in each block: the first ones. */
  const tiesOf = async (vector: Float32Array, s: number, threshold: Threshold): Promise<number[]> => {
    const { bits, ties, equal } = threshold;
    const found = ties === equal ? undefined : await run({ kind: 'ties', vector, bits });
    if (found === undefined)
      return Array.from({ length: blocksOf({ kind: 'ties', vector, bits }) }, () => ALL);
    let room = left?.[s] ?? ties;
    const kept = found.map((n) => {
      const own = Math.min(n, room);
      room -= own;
      return own;
    });
    if (left) left[s] = room;
    return kept;
  };

  const prepare = async (vector: Float32Array, s: number, name: string): Promise<Combined> => {
    const threshold = trims ? (overall?.[s] ?? (await tensorThreshold(vector, s))) : undefined;
    return {
      vector,
      weight: weights[s]!,
      threshold: threshold && { bits: threshold.bits, ties: await tiesOf(vector, s, threshold) },
      drop: method === 'dare-ties' ? { key: dropKey(seed, sources[s]!.name, name), density } : undefined,
    };
  };

  const combinationOf = async (
    name: string,
    vectors: readonly (Float32Array | undefined)[],
    stored: { readonly base: Uint8Array; readonly from: Dtype },
  ): Promise<Combination> => {
    if (method === 'slerp') {
      const pair = [vectors[ends[0]!], vectors[ends[1]!]] as const;
      const products = await run({ kind: 'inner-products', ends: pair, ...stored });
      const [aa, bb, ab] = products.reduce((x, y) => [x[0] + y[0], x[1] + y[1], x[2] + y[2]]);
      return { by: 'arc', ends: pair, factors: slerpFactors([aa, bb, ab], t) };
    }
    const prepared = await Promise.all(vectors.map(async (vector, s) => vector && prepare(vector, s, name)));
    const by = method === 'ties' || method === 'dare-ties' ? 'election' : 'sum';
    return { by, vectors: prepared.filter((vector) => vector !== undefined) };
  };

  let turn = 0;
  return async (name) => {
    turn = 1 - turn;
    const { shape, from, to } = job.tensor(name);
    const entries = elementsOf(shape);
    const stored = { base: new Uint8Array(base, 0, entries * bytesOf(from)), from };
    const [vectors] = await Promise.all([
      makeVectors(name, trims && !overall ? upper : undefined),
      job.readBase(name, stored.base),
    ]);
    const combination = await combinationOf(name, vectors, stored);
    const out = new Uint8Array(outs[turn]!, 0, entries * bytesOf(to));
    const tau = job.keepVector ? new Float32Array(taus[turn]!, 0, entries) : undefined;
    const sums = await run({ kind: 'combine', combination, lambda, ...stored, out, to, tau });
    return { bytes: out, vector: tau, rounding: roundingOf(name, entries, sums.reduce(addSums)) };
  };
};
