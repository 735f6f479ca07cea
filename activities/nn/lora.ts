import type { Value } from './ops/node.ts';
import { dim } from './ops/shape.ts';
import type { Trace } from './ops/trace.ts';

/** Low-rank update of one linear layer, in PEFT's orientation: A [r, K], B [N, r], s = α/r. */
export interface LoraPair {
  readonly a: Value;
  readonly b: Value;
  readonly scale: number;
  readonly dropout?: Dropout;
}

/**
 * Zeroes each number with probability `rate`: a pure function of the key, of the stream, which no other layer has, and of the
 * lane, whose streams are apart.
 */
export interface Dropout {
  readonly rate: number;
  /** [2] int32. */
  readonly key: Value;
  readonly stream: number;
}

/** What is left is scaled up to keep the mean, as in PyTorch: x of any shape → the same shape. */
export const drop = (t: Trace, { rate, key, stream }: Dropout, x: Value, lane = 0): Value => {
  const dropped = t.less(t.uniform(key, stream * t.lanes + lane, x.shape), t.scalar(rate));
  return t.where(dropped, t.scalar(0), t.scale(x, 1 / (1 - rate)));
};

/**
 * The update's part of a product: `s·(x·Aᵀ)·Bᵀ`. B starts at zero, so that step 0 equals the base model. Dropout acts on
 * what A reads, and on nothing else.
 *
 * Shapes: x [M, K], A [r, K], B [N, r] → [M, N].
 * Reference: Hu et al. 2021, https://arxiv.org/abs/2106.09685 §4.1; PEFT `tuners/lora/layer.py`, `Linear.forward`.
 */
export function lowRank(t: Trace, { a, b, scale, dropout }: LoraPair, x: Value, lane?: number): Value {
  const seen = dropout === undefined ? x : drop(t, dropout, x, lane);
  return t.matmul(t.scale(t.matmul(seen, a, false, true), scale), b, false, true);
}

/**
 * Updates of several layers that read the same x, in order, undefined where there is none. Products with an A are so narrow
 * that those of all layers cost little more than one, so they are one product with every A, unless layers drop out apart.
 */
export function lowRanks(
  t: Trace,
  pairs: readonly (LoraPair | undefined)[],
  x: Value,
  lane?: number,
): readonly (Value | undefined)[] {
  const joined = pairs.flatMap((pair) => (pair === undefined || pair.dropout !== undefined ? [] : [pair]));
  if (joined.length < 2) return pairs.map((pair) => pair && lowRank(t, pair, x, lane));
  const all = t.concat(
    joined.map(({ a, scale }) => t.scale(a, scale)),
    0,
  ); // [Σr, K]
  const parts = t.split(
    t.matmul(x, all, false, true),
    joined.map(({ a }) => dim(a.shape, 0)),
    1,
  );
  return pairs.map((pair) => {
    if (pair === undefined) return undefined;
    const part = parts[joined.indexOf(pair)];
    return part === undefined ? lowRank(t, pair, x, lane) : t.matmul(part, pair.b, false, true);
  });
}
