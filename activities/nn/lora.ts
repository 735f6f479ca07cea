import type { Value } from './ops/node.ts';
import type { Trace } from './ops/trace.ts';

/** Low-rank update of one linear layer, in PEFT's orientation: A [r, K], B [N, r], s = α/r. */
export interface LoraPair {
  readonly a: Value;
  readonly b: Value;
  readonly scale: number;
}

/**
 * The update's part of a product: `s·(x·Aᵀ)·Bᵀ`. B starts at zero, so that step 0 equals the base model.
 *
 * Shapes: x [M, K], A [r, K], B [N, r] → [M, N].
 * Reference: Hu et al. 2021, https://arxiv.org/abs/2106.09685 §4.1.
 */
export function lowRank(t: Trace, { a, b, scale }: LoraPair, x: Value): Value {
  return t.matmul(t.scale(t.matmul(x, a, false, true), scale), b, false, true);
}

/** The update as a matrix: `s·B·A` [N, K] float32, what is added to a weight when an adapter is merged. */
export const lowRankMatrix = (t: Trace, { a, b, scale }: LoraPair): Value => t.scale(t.matmul(b, a), scale);
