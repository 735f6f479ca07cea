/** Attention of tokens in lanes, where rows of a batch have one length. */
import { laneSizes } from '../lanes.ts';
import type { DType } from '../ops/dtype.ts';
import type { Value } from '../ops/node.ts';
import { dim } from '../ops/shape.ts';
import type { Trace } from '../ops/trace.ts';
import { causalAttention } from './attention.ts';
import type { Heads } from './attention.ts';

/** Attention of one layer: from the heads of each lane's tokens, one lane after another, the contexts of its queries, [n, H·d]. */
export type Attend = (layer: number, lanes: readonly Heads[]) => readonly Value[];

/** Tokens of each lane, for rows of T tokens: whole rows, or parts of a single one. */
export const tokenLanes = ({ lanes }: Trace, rows: number, T: number): number[] =>
  rows === 1 ? laneSizes(T, lanes) : laneSizes(rows, lanes).map((n) => n * T);

/** Queries, keys or values of all lanes' tokens, [N, heads, d]. */
export const ofAllLanes = (t: Trace, lanes: readonly Heads[], side: keyof Heads): Value =>
  t.concat(
    lanes.map((heads) => heads[side]),
    0,
  );

/** Causal attention within rows of T tokens, cut as `tokenLanes` says. */
export function attendRows(t: Trace, T: number, arithmetic?: DType): Attend {
  const inRows = (x: Value, length: number): Value => t.reshape(x, [-1, length, ...x.shape.slice(1)]);
  const flat = (context: Value): Value => t.reshape(context, [-1, dim(context.shape, -1)]);
  const wholeRows = ({ q, k, v }: Heads): Value =>
    flat(causalAttention(t, { q: inRows(q, T), k: inRows(k, T), v: inRows(v, T) }, { arithmetic }));
  return (_, lanes) => {
    if (lanes.every(({ q }) => dim(q.shape, 0) % T === 0)) return lanes.map(wholeRows);
    const [k, v] = [inRows(ofAllLanes(t, lanes, 'k'), T), inRows(ofAllLanes(t, lanes, 'v'), T)];
    let from = 0;
    return lanes.map(({ q }) => {
      const length = dim(q.shape, 0);
      const context = causalAttention(t, { q: inRows(q, length), k, v }, { arithmetic, from });
      from += length;
      return flat(context);
    });
  };
}
