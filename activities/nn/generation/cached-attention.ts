import { masked } from '../models/attention.ts';
import type { Value } from '../ops/node.ts';
import { dim } from '../ops/shape.ts';
import type { Trace } from '../ops/trace.ts';

/** Keys or values of prompts, which a group of rows shares, and of the tokens each row has added, in chunks. */
export interface Cache {
  /** [P, KV, T, D] */
  readonly prompt: Value;
  /** Each [P, KV, G, C, D] */
  readonly chunks: readonly Value[];
}

/**
 * Attention of one new token a row: over its prompt, computed once for all rows of the prompt, and over the row's own tokens.
 *
 * Shapes: q [P, KV, G, share, D], divided by √D → context [P·G, 1, H·D]; keys and values as in `Cache`; mask [P, 1, 1, 1, S]
 * over the places of the prompt and of all chunks: 0 for those that are seen, `masked` for the others.
 */
export function cachedAttention(t: Trace, q: Value, keys: Cache, values: Cache, mask: Value): Value {
  const [P = 0, KV = 0, G = 0, share = 0, D = 0] = q.shape;
  const T = dim(keys.prompt.shape, 2);
  const overPrompt = t.batchMatmul(t.reshape(q, [P, KV, G * share, D]), keys.prompt, false, true);
  const scores = [
    t.reshape(overPrompt, [P, KV, G, share, T]),
    ...keys.chunks.map((chunk) => t.batchMatmul(q, chunk, false, true)), // [P, KV, G, share, C]
  ];
  const weights = t.split(
    t.softmax(t.add(t.concat(scores, -1), mask)),
    scores.map((part) => dim(part.shape, -1)),
    -1,
  );
  const contexts = weights.map((part, i) => {
    const chunk = values.chunks[i - 1];
    if (chunk !== undefined) return t.batchMatmul(part, chunk);
    const shared = t.batchMatmul(t.reshape(part, [P, KV, G * share, T]), values.prompt);
    return t.reshape(shared, [P, KV, G, share, D]);
  });
  const context = t.addAll(contexts);
  const rows = G === 1 || KV === 1 ? context : t.transpose(context, [0, 2, 1, 3, 4]);
  return t.reshape(rows, [P * G, 1, KV * share * D]);
}

/** [..., n] where the first `count` of n places get 0 and the rest `masked`; count [..., 1] int32. */
export function fillMask(t: Trace, count: Value, n: number): Value {
  const places = t.ints(Array.from({ length: n }, (_, i) => i));
  return t.where(t.less(places, count), t.scalar(0), t.scalar(masked));
}
