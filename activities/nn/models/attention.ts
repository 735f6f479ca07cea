import type { DType } from '../ops/dtype.ts';
import type { Value } from '../ops/node.ts';
import { dim } from '../ops/shape.ts';
import type { Trace } from '../ops/trace.ts';

/** Queries [..., H, D], keys and values [..., KV, D] of one layer, keys and queries turned. */
export interface Heads {
  readonly q: Value;
  readonly k: Value;
  readonly v: Value;
}

/** A score that leaves a key no weight in float32, without the NaN that −∞ gives where every key is masked. */
export const masked = -1e30;

/** Queries are handled in blocks of this many where a row is longer than two of them: keys behind a block are never touched. */
const queryBlock = 128;

export interface CausalOptions {
  /** What both products are computed in; scores and their softmax are float32. */
  readonly arithmetic?: DType | undefined;
  /** Keys before the first query's own. */
  readonly from?: number;
}

/**
 * `softmax(q·kᵀ/√D + causal mask)·v`, each key and value head serving G = H/KV query heads. Query i sees keys up to `from` + i.
 *
 * Shapes: q [B, T, H, D], k and v [B, S, KV, D], S ≥ from + T → [B, T, H·D].
 */
export function causalAttention(
  t: Trace,
  { q, k, v }: Heads,
  { arithmetic = 'float32', from: first = 0 }: CausalOptions = {},
): Value {
  const [B = 0, T = 0, H = 0, D = 0] = q.shape;
  const KV = dim(k.shape, 2);
  const G = H / KV;
  const scaled = t.reshape(t.cast(t.scale(q, 1 / Math.sqrt(D)), arithmetic), [B, T, KV, G, D]);
  const queries = t.transpose(scaled, [0, 2, 3, 1, 4]); // [B, KV, G, T, D]
  const byHead = (x: Value): Value => t.transpose(t.cast(x, arithmetic), [0, 2, 1, 3]); // [B, KV, S, D]
  const [keys, values] = [byHead(k), byHead(v)];
  const block = first + T > 2 * queryBlock ? queryBlock : T;
  const sizes = Array.from({ length: Math.ceil(T / block) }, (_, i) => Math.min(block, T - i * block));
  const contexts: Value[] = [];
  for (const [i, part] of t.split(queries, sizes, 3).entries()) {
    const from = first + i * block;
    const rows = dim(part.shape, 3);
    const seen = from + rows;
    const here = t.reshape(part, [B, KV, G * rows, D]);
    const products = t.batchMatmul(here, t.slice(keys, [0, 0, 0, 0], [B, KV, seen, D]), false, true);
    const scores = t.cast(t.reshape(products, [B, KV, G, rows, seen]), 'float32');
    const weights = t.cast(t.softmax(t.add(scores, causalMask(t, from, rows))), arithmetic);
    const context = t.batchMatmul(
      t.reshape(weights, [B, KV, G * rows, seen]),
      t.slice(values, [0, 0, 0, 0], [B, KV, seen, D]),
    );
    contexts.push(t.reshape(context, [B, KV, G, rows, D]));
  }
  const context = t.transpose(t.concat(contexts, 3), [0, 3, 1, 2, 4]); // [B, T, KV, G, D]
  return t.cast(t.reshape(context, [B, T, H * D]), 'float32');
}

/** 0 where key j is not behind query i, else `masked`: [rows, from + rows] for the queries that begin at `from`. */
function causalMask(t: Trace, from: number, rows: number): Value {
  const query = t.ints(
    Array.from({ length: rows }, (_, i) => from + i),
    [rows, 1],
  );
  const key = t.ints(Array.from({ length: from + rows }, (_, j) => j));
  return t.where(t.lessEqual(key, query), t.scalar(0), t.scalar(masked));
}
