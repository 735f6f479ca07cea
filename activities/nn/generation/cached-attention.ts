import type { Value } from '../ops/node.ts';
import { dim } from '../ops/shape.ts';
import type { Trace } from '../ops/trace.ts';
import { fewHeads } from './caches.ts';
import type { Cache } from './caches.ts';

/**
 * Attention of one new token a row: over what the rows of a prompt share, computed once for all of them, and over the row's own
 * chunks.
 *
 * Shapes: q [P, KV, G, share, D], divided by √D → context [P·G, H·D]; keys and values as in `Cache`; mask [P, 1, G or 1, 1, S]
 * over all their places.
 */
export function cachedAttention(t: Trace, q: Value, keys: Cache, values: Cache, mask: Value): Value {
  const [P = 0, KV = 0, G = 0, share = 0, D = 0] = q.shape;
  const context =
    keys.chunks.length === 0 && P * KV <= fewHeads
      ? sharedAttention(t, q, keys.shared, values.shared, mask)
      : chunkedAttention(t, q, keys, values, mask);
  const rows = G === 1 || KV === 1 ? context : t.transpose(context, [0, 2, 1, 3, 4]);
  return t.reshape(rows, [P * G, KV * share * D]);
}

function chunkedAttention(t: Trace, q: Value, keys: Cache, values: Cache, mask: Value): Value {
  const [P = 0, KV = 0, G = 0, share = 0, D = 0] = q.shape;
  const S = dim(keys.shared.shape, 2);
  const shared = t.batchMatmul(t.reshape(q, [P, KV, G * share, D]), keys.shared, false, true);
  const scores = [
    t.reshape(shared, [P, KV, G, share, S]),
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
    const summed = t.batchMatmul(t.reshape(part, [P, KV, G * share, S]), values.shared);
    return t.reshape(summed, [P, KV, G, share, D]);
  });
  return t.addAll(contexts);
}

/**
 * Each head by itself, in products of two matrices, which TensorFlow gives one thread where they are small; the sum of the
 * weights divides their few contexts, not the weights.
 */
function sharedAttention(t: Trace, q: Value, keys: Value, values: Value, mask: Value): Value {
  const [P = 0, KV = 0, G = 0, share = 0, D = 0] = q.shape;
  const S = dim(keys.shape, 2);
  const heads = (x: Value, rows: number, columns: number): readonly Value[] =>
    t.unstack(t.reshape(x, [P * KV, rows, columns]));
  const masks = heads(t.broadcastTo(mask, [P, KV, G, share, S]), G * share, S);
  const [queries, allKeys, allValues] = [heads(q, G * share, D), heads(keys, S, D), heads(values, S, D)];
  const contexts = queries.map((query, head) => {
    const scores = t.add(t.matmul(query, allKeys[head]!, false, true), masks[head]!);
    const odds = t.exp(t.sub(scores, t.max(scores, [1], true)));
    return t.div(t.matmul(odds, allValues[head]!), t.sum(odds, [1], true));
  });
  return t.reshape(t.concat(contexts, 0), [P, KV, G, share, D]);
}
