/**
 * Merging task vectors, tensor by tensor: each method of the paper's comparison, over one reader of vectors.
 *
 * θ = θ_base + τ with τ = λ · (merged vectors) (eq. 7). Tensors that no vector touches are not merged at all.
 */
import type { MergeParams } from '../../schemas/merge-params.ts';
import { dropAndRescale } from './dare.ts';
import { slerp } from './slerp.ts';
import { weightedMean, weightedSum } from './sums.ts';
import { touchedBy, vectorOf, type LowRankProduct, type VectorSource } from './task-vector.ts';
import { electAndAverage } from './ties.ts';
import { createTrimmer, keptOf, thresholdOf, trimTensor } from './trim.ts';

/** The vectors cannot be merged in the way asked for. */
export class MergeError extends Error {
  override readonly name = 'MergeError';
}

export interface MergeJob {
  readonly params: MergeParams;
  readonly sources: readonly VectorSource[];
  /** Number of entries of a tensor. */
  readonly entriesOf: (tensor: string) => number;
  /** A tensor of the base, float32. */
  readonly base: (tensor: string) => Promise<Float32Array>;
  readonly product: LowRankProduct;
}

/** Every tensor that a vector touches, sorted: the order in which they are merged. */
export const touchedTensors = (sources: readonly VectorSource[]): string[] =>
  [...new Set(sources.flatMap((source) => [...touchedBy(source)]))].toSorted();

/** The two ends of a slerp, from and to. */
const endsOf = ({ ends }: MergeParams, sources: readonly VectorSource[]): readonly VectorSource[] => {
  const byDefault = sources.toSorted(
    (a, b) => Number(a.name === 'RL') - Number(b.name === 'RL') || (a.name < b.name ? -1 : 1),
  );
  const names = ends ?? byDefault.map(({ name }) => name);
  const found = names.flatMap((name) => sources.find((source) => source.name === name) ?? []);
  if (sources.length !== 2 || found.length !== 2 || found[0] === found[1])
    throw new MergeError(`slerp takes two models, got ${sources.map(({ name }) => name).join(', ')}`);
  return found;
};

/** A function that trims the next tensor, in the order of `touched`, of the source of the given index. */
const createTrim = async (
  job: MergeJob,
  touched: readonly string[],
): Promise<(source: number, vector: Float32Array) => Promise<void> | void> => {
  const { density, trim } = job.params;
  if (trim === 'tensor' || density >= 1) return (_, vector) => trimTensor(vector, density);
  const trimmers: ((part: Float32Array) => void)[] = [];
  for (const source of job.sources) {
    const own = touchedBy(source);
    const names = touched.filter((tensor) => own.has(tensor));
    const entries = names.reduce((sum, tensor) => sum + job.entriesOf(tensor), 0);
    const parts = async function* (): AsyncGenerator<Float32Array> {
      for (const tensor of names) yield (await vectorOf(source, tensor, job.product))!;
    };
    trimmers.push(createTrimmer(await thresholdOf(parts, keptOf(density, entries))));
  }
  return (source, vector) => trimmers[source]!(vector);
};

/** Makes the function that merges one tensor; call it on each of `touchedTensors` once, in their order. */
export const createMerge = async (job: MergeJob): Promise<(tensor: string) => Promise<Float32Array>> => {
  const { params, sources } = job;
  if (sources.length === 0) throw new MergeError('there is no vector to merge');
  const { method, density, lambda, seed } = params;

  if (method === 'slerp') {
    const [from, to] = endsOf(params, sources);
    return async (tensor) => {
      const base = await job.base(tensor);
      const end = async (source: VectorSource): Promise<Float32Array> => {
        const vector = await vectorOf(source, tensor, job.product);
        return vector === undefined ? base : vector.map((x, i) => x + base[i]!);
      };
      const model = slerp(await end(from!), await end(to!), params.t);
      return model.map((x, i) => lambda * (x - base[i]!));
    };
  }

  const trim = method === 'ties' ? await createTrim(job, touchedTensors(sources)) : undefined;
  const weights = sources.map(({ weight }) => weight);
  const combine = {
    ties: electAndAverage,
    'dare-ties': electAndAverage,
    linear: weightedMean,
    'task-arithmetic': weightedSum,
  }[method];
  return async (tensor) => {
    const vectors: Float32Array[] = [];
    for (const [i, source] of sources.entries()) {
      const vector = await vectorOf(source, tensor, job.product);
      if (vector !== undefined) {
        await trim?.(i, vector);
        if (method === 'dare-ties') dropAndRescale(vector, density, seed, source.name, tensor);
      }
      vectors.push(vector ?? new Float32Array(job.entriesOf(tensor)));
    }
    const merged = combine(vectors, weights);
    return lambda === 1 ? merged : merged.map((x) => lambda * x);
  };
};
