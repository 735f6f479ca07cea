import type { Value } from '../ops/node.ts';
import { dim } from '../ops/shape.ts';
import type { Trace } from '../ops/trace.ts';

/** Queries are handled in blocks of at most this many, so that scores never fill the memory. */
const queryBlock = 256;

/** The blocks in which the queries of a row of L are handled, one for each lane at least. */
export const queryBlocks = (L: number, lanes: number): { readonly from: number; readonly rows: number }[] => {
  const block = Math.min(queryBlock, Math.ceil(L / lanes));
  return Array.from({ length: Math.ceil(L / block) }, (_, i) => ({
    from: i * block,
    rows: Math.min(block, L - i * block),
  }));
};

/**
 * `softmax(q·kᵀ/√D + mask)·v`, every query against every key of its row. There is one mask for each of `queryBlocks(L)`, which
 * broadcasts to [N, H, rows, L].
 *
 * Shapes: q, k, v [N, L, H, D] → [N, L, H, D].
 */
export function fullAttention(t: Trace, q: Value, k: Value, v: Value, masks?: readonly Value[]): Value {
  const front = (x: Value): Value => t.transpose(x, [0, 2, 1, 3]); // [N, H, L, D]
  const queries = front(t.scale(q, 1 / Math.sqrt(dim(q.shape, -1))));
  const [keys, values] = [front(k), front(v)];
  const rows = queryBlocks(dim(q.shape, 1), t.lanes).map((block) => block.rows);
  const contexts = t.split(queries, rows, 2).map((part, i) => {
    const scores = t.batchMatmul(part, keys, false, true); // [N, H, rows, L]
    const mask = masks?.[i];
    return t.batchMatmul(t.softmax(mask === undefined ? scores : t.add(scores, mask)), values);
  });
  return t.transpose(t.concat(contexts, 2), [0, 2, 1, 3]);
}
