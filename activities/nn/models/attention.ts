import type { Value } from '../ops/node.ts';
import { dim } from '../ops/shape.ts';
import type { Trace } from '../ops/trace.ts';

/** Queries, keys and values of one layer, keys and queries turned. */
export interface Heads {
  /** [B, T, H, D] */
  readonly q: Value;
  /** [B, T, KV, D] */
  readonly k: Value;
  /** [B, T, KV, D] */
  readonly v: Value;
}

/** A score that leaves a key no weight in float32, without the NaN that −∞ gives where every key is masked. */
export const masked = -1e30;

/** Queries are handled in blocks of this many where a row is longer than two of them: keys behind a block are never touched. */
const queryBlock = 128;

/**
 * `softmax(q·kᵀ/√D + causal mask)·v`, each key and value head serving G = H/KV query heads.
 *
 * Shapes: q [B, T, H, D], k and v [B, T, KV, D] → [B, T, H·D].
 */
export function causalAttention(t: Trace, { q, k, v }: Heads): Value {
  const [B = 0, T = 0, H = 0, D = 0] = q.shape;
  const KV = dim(k.shape, 2);
  const G = H / KV;
  const queries = t.transpose(t.reshape(t.scale(q, 1 / Math.sqrt(D)), [B, T, KV, G, D]), [0, 2, 3, 1, 4]); // [B, KV, G, T, D]
  const [keys, values] = [t.transpose(k, [0, 2, 1, 3]), t.transpose(v, [0, 2, 1, 3])]; // [B, KV, T, D]
  const block = T > 2 * queryBlock ? queryBlock : T;
  const sizes = Array.from({ length: Math.ceil(T / block) }, (_, i) => Math.min(block, T - i * block));
  const contexts: Value[] = [];
  for (const [i, part] of t.split(queries, sizes, 3).entries()) {
    const from = i * block;
    const rows = dim(part.shape, 3);
    const seen = from + rows;
    const here = t.reshape(part, [B, KV, G * rows, D]);
    const scores = t.reshape(
      t.batchMatmul(here, t.slice(keys, [0, 0, 0, 0], [B, KV, seen, D]), false, true),
      [B, KV, G, rows, seen],
    );
    const weights = t.softmax(t.add(scores, causalMask(t, from, rows)));
    const context = t.batchMatmul(
      t.reshape(weights, [B, KV, G * rows, seen]),
      t.slice(values, [0, 0, 0, 0], [B, KV, seen, D]),
    );
    contexts.push(t.reshape(context, [B, KV, G, rows, D]));
  }
  return t.reshape(t.transpose(t.concat(contexts, 3), [0, 3, 1, 2, 4]), [B, T, H * D]);
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
