import { masked } from '../models/attention.ts';
import type { Heads } from '../models/attention.ts';
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

export interface CacheMasks {
  /** [P, 1, 1, 1, T]: 0 for a prompt's tokens, `masked` for its padding. */
  readonly prompt: Value;
  /** [C]: 0 for the places of the last chunk that are filled. */
  readonly lastChunk: Value;
}

/** x [P·G, 1, KV, ...] → [P, KV, G, ...]: rows of one prompt side by side under each key head. */
export function byPrompt(t: Trace, x: Value, P: number, rest: readonly number[]): Value {
  const [rows = 0, , KV = 0] = x.shape;
  const G = rows / P;
  const split = t.reshape(x, [P, G, KV, ...rest]);
  if (G === 1 || KV === 1) return t.reshape(split, [P, KV, G, ...rest]);
  return t.transpose(split, [0, 2, 1, ...rest.map((_, i) => i + 3)]);
}

/**
 * Attention of one new token a row: over its prompt, computed once for all rows of the prompt, and over the row's own tokens.
 *
 * Shapes: q [P·G, 1, H, D] → context [P·G, 1, H·D]; keys and values as in `Cache`.
 */
export function cachedAttention(
  t: Trace,
  q: Heads['q'],
  keys: Cache,
  values: Cache,
  masks: CacheMasks,
): Value {
  const [R = 0, , H = 0, D = 0] = q.shape;
  const [P = 0, KV = 0, T = 0] = keys.prompt.shape;
  const [G, share] = [R / P, H / KV];
  const scaled = t.reshape(t.scale(q, 1 / Math.sqrt(D)), [R, 1, KV, share, D]);
  const queries = byPrompt(t, scaled, P, [share, D]); // [P, KV, G, share, D]
  const overPrompt = t.batchMatmul(t.reshape(queries, [P, KV, G * share, D]), keys.prompt, false, true);
  const scores = [
    t.add(t.reshape(overPrompt, [P, KV, G, share, T]), masks.prompt),
    ...keys.chunks.map((chunk, i) => {
      const own = t.batchMatmul(queries, chunk, false, true); // [P, KV, G, share, C]
      return i === keys.chunks.length - 1 ? t.add(own, masks.lastChunk) : own;
    }),
  ];
  const weights = t.split(
    t.softmax(t.concat(scores, -1)),
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
  return t.reshape(rows, [R, 1, H * D]);
}

/** [..., n] where the first `count` of n places get 0 and the rest `masked`; count [..., 1] int32. */
export function fillMask(t: Trace, count: Value, n: number): Value {
  const places = t.ints(Array.from({ length: n }, (_, i) => i));
  return t.where(t.less(places, count), t.scalar(0), t.scalar(masked));
}
