/** What is asked of threads in a merge, and what one block of it gives. N, K, n and r are as in `tasks.ts`. */
import type { Dtype } from '../nn/checkpoint/dtype.ts';
import type { RandomKey } from '../nn/random.ts';
import type { RoundingSums } from './rounding.ts';
import type { InnerProducts } from './slerp.ts';

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
