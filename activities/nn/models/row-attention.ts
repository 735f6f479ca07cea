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
export const tokenLanes = (rows: number, T: number): number[] =>
  rows === 1 ? laneSizes(T) : laneSizes(rows).map((n) => n * T);

/** Causal attention within rows of T tokens, cut as `tokenLanes` says. */
export const attendRows =
  (t: Trace, T: number, arithmetic?: DType): Attend =>
  (_, lanes) => {
    const rows = (x: Value, n = -1): Value => t.reshape(x, [n, T, ...x.shape.slice(1)]);
    const flat = (context: Value): Value => t.reshape(context, [-1, dim(context.shape, -1)]);
    const whole = lanes.every(({ q }) => dim(q.shape, 0) % T === 0);
    if (whole)
      return lanes.map(({ q, k, v }) =>
        flat(causalAttention(t, { q: rows(q), k: rows(k), v: rows(v) }, { arithmetic })),
      );
    const one = (x: Value): Value => t.reshape(x, [1, ...x.shape]);
    const join = (side: 'k' | 'v'): Value =>
      one(
        t.concat(
          lanes.map((heads) => heads[side]),
          0,
        ),
      );
    const [k, v] = [join('k'), join('v')];
    let from = 0;
    return lanes.map(({ q }) => {
      const context = flat(causalAttention(t, { q: one(q), k, v }, { arithmetic, from }));
      from += dim(q.shape, 0);
      return context;
    });
  };
