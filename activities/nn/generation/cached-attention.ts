import type { Value } from '../ops/node.ts';
import { dim } from '../ops/shape.ts';
import type { Trace } from '../ops/trace.ts';
import type { Cache } from './caches.ts';

/**
 * Attention of one new token a row: over what the rows of a prompt share, computed once for all of them, and over the row's own
 * chunks.
 *
 * Shapes: q [P, KV, G, share, D], divided by √D → context [P·G, H·D]; keys and values as in `Cache`; mask [P, 1, 1, 1, S] over
 * all their places.
 */
export function cachedAttention(t: Trace, q: Value, keys: Cache, values: Cache, mask: Value): Value {
  const [P = 0, KV = 0, G = 0, share = 0, D = 0] = q.shape;
  const T = dim(keys.shared.shape, 2);
  const shared = t.batchMatmul(t.reshape(q, [P, KV, G * share, D]), keys.shared, false, true);
  const scores = [
    t.reshape(shared, [P, KV, G, share, T]),
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
    const summed = t.batchMatmul(t.reshape(part, [P, KV, G * share, T]), values.shared);
    return t.reshape(summed, [P, KV, G, share, D]);
  });
  const context = t.addAll(contexts);
  const rows = G === 1 || KV === 1 ? context : t.transpose(context, [0, 2, 1, 3, 4]);
  return t.reshape(rows, [P * G, KV * share * D]);
}
