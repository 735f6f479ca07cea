import { createMerge, type MergeJob } from '../../../activities/merge/merge.ts';
import { touchedTensors, type VectorSource } from '../../../activities/merge/task-vector.ts';
import { perform } from '../../../activities/merge/tasks.ts';
import type { Adapter } from '../../../activities/nn/checkpoint/adapter.ts';
import { encode, type Dtype } from '../../../activities/nn/checkpoint/dtype.ts';
import { thisThread } from '../../../activities/nn/runtime/threads.ts';
import { normal, randomKey } from '../../../activities/nn/random.ts';
import { MergeParams } from '../../../schemas/merge-params.ts';
import type { TensorRounding } from '../../../schemas/merge-report.ts';

export const f32 = (...values: number[]): Float32Array => Float32Array.of(...values);

/** Random numbers of a size. */
export const random = (seed: number, length: number, size = 1): Float32Array =>
  normal(randomKey(seed), length).map((x) => x * size);

/** A vector that is given outright, tensor by tensor. */
export const given = (
  name: string,
  tensors: Readonly<Record<string, Float32Array>>,
  weight = 1,
): VectorSource => ({
  name,
  weight,
  start: { tensors: new Set(Object.keys(tensors)), read: async (tensor) => tensors[tensor]! },
});

/** An adapter of one linear layer, `m`. */
export const trained = (
  rank: number,
  a: Float32Array,
  b: Float32Array,
  settings: Partial<Adapter['settings']> = {},
): Adapter => {
  const lora = { rank, alpha: 2 * rank, a, b, inputs: a.length / rank, outputs: b.length / rank };
  return {
    path: 'adapter',
    settings: { rank, alpha: 2 * rank, rankStabilised: false, dropout: 0, baseModel: null, ...settings },
    modules: new Map([['m', lora]]),
    trainedOn: undefined,
  };
};

export interface Setting extends Partial<Pick<MergeJob, 'threads' | 'keepVector' | 'signal'>> {
  /** Of each tensor; zeros where it is missing. */
  readonly base?: Readonly<Record<string, Float32Array>>;
  readonly shapes: Readonly<Record<string, readonly number[]>>;
  readonly from?: Dtype;
  readonly to?: Dtype;
}

export interface Merged {
  readonly bytes: Uint8Array;
  readonly vector: Float32Array;
  readonly rounding: TensorRounding;
}

/** Merges every touched tensor. */
export const mergeAll = async (
  sources: readonly VectorSource[],
  params: Partial<MergeParams>,
  { base = {}, shapes, from = 'F32', to = 'F32', ...rest }: Setting,
): Promise<Record<string, Merged>> => {
  const merge = await createMerge({
    params: MergeParams.parse(params),
    sources,
    tensor: (name) => ({ shape: shapes[name]!, from, to }),
    readBase: async (name, into) => {
      const values = base[name];
      if (values) into.set(encode(from, values));
      else into.fill(0);
    },
    keepVector: true,
    threads: thisThread(perform),
    signal: new AbortController().signal,
    ...rest,
  });
  const merged: Record<string, Merged> = {};
  for (const name of touchedTensors(sources)) {
    const { bytes, vector, rounding } = await merge(name);
    merged[name] = { bytes: bytes.slice(), vector: new Float32Array(vector!), rounding };
  }
  return merged;
};

/** The merged vector of vectors of one tensor. */
export const mergeOne = async (
  vectors: readonly Float32Array[],
  params: Partial<MergeParams>,
  weights: readonly number[] = [],
): Promise<Float32Array> => {
  const sources = vectors.map((w, i) => given(`${i}`, { w }, weights[i] ?? 1));
  const merged = await mergeAll(sources, params, { shapes: { w: [vectors[0]!.length] } });
  return merged['w']!.vector;
};
