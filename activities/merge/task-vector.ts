/**
 * Task vectors: what training added to a model's weights, in float32.
 *
 * They are (α/r)·B·A of the adapter's own matrices, never differences of stored checkpoints: for weights of size 0.02
 * and an update of size 1e-5, bfloat16 keeps a tenth of the update.
 */
import { scaleOf, type Adapter } from '../nn/checkpoint/adapter.ts';
import type { LowRank } from './task.ts';

/** A vector holds infinity or NaN: its training diverged. */
export class NonFiniteVector extends Error {
  override readonly name = 'NonFiniteVector';
  constructor(vector: string, tensor: string) {
    super(`vector ${vector} is not finite in ${tensor}`);
  }
}

/** The stored vector of what an adapter was trained on. */
export interface StartVector {
  /** Tensors that it touches. */
  readonly tensors: ReadonlySet<string>;
  /** One of them, float32. */
  read(tensor: string): Promise<Float32Array>;
}

/** One named task vector: an adapter, a start, or both. */
export interface VectorSource {
  readonly name: string;
  readonly weight: number;
  readonly adapter?: Adapter | undefined;
  readonly start?: StartVector | undefined;
}

/** Tensors (`….weight`) that a vector touches; it is 0 everywhere else. */
export const touchedBy = ({ adapter, start }: VectorSource): Set<string> =>
  new Set([
    ...(start?.tensors ?? []),
    ...[...(adapter?.modules.keys() ?? [])].map((module) => `${module}.weight`),
  ]);

/** Every tensor that one of the vectors touches, sorted. */
export const touchedTensors = (sources: readonly VectorSource[]): string[] =>
  [...new Set(sources.flatMap((source) => [...touchedBy(source)]))].toSorted();

/** The adapter's part of a tensor's vector, where it has one. */
export const updateOf = ({ adapter }: VectorSource, tensor: string): LowRank | undefined => {
  const lora = adapter?.modules.get(tensor.replace(/\.weight$/, ''));
  return adapter && lora && { rank: lora.rank, scale: scaleOf(lora, adapter.settings), a: lora.a, b: lora.b };
};
