/**
 * Keys and values that one lane of a batch has computed, as variables: those of prompts, which the rows of a prompt share, and
 * those of new tokens, in chunks.
 *
 * Legend: P prompts of at most T tokens, G rows each; KV key heads; D a head's size; C places in a chunk.
 */
import { masked } from '../models/attention.ts';
import type { TextConfig } from '../models/config.ts';
import type { Node, Value } from '../ops/node.ts';
import type { Trace } from '../ops/trace.ts';

export interface CacheSizes {
  /** Begins the names of the variables. */
  readonly name: string;
  /** The model as the lane sees it. */
  readonly config: TextConfig;
  readonly prompts: number;
  readonly group: number;
  readonly promptTokens: number;
  /** Places of a chunk, and chunks. */
  readonly chunk: number;
  readonly chunks: number;
}

type Side = 'k' | 'v';
const sides: readonly Side[] = ['k', 'v'];

/** Keys or values of one layer. */
export interface Cache {
  /** Of the prompts: [P, KV, T, D]. */
  readonly shared: Value;
  /** Of each row: [P, KV, G, C, D]. */
  readonly chunks: readonly Value[];
}

function sharedCache(t: Trace, sizes: CacheSizes, layer: number, side: Side): Value {
  const { prompts, promptTokens, config, name } = sizes;
  return t.scratch(`${name}/shared.${layer}.${side}`, [
    prompts,
    config.kvHeads,
    promptTokens,
    config.headDim,
  ]);
}

/** The first `count` chunks of all rows. */
function ownChunks(t: Trace, sizes: CacheSizes, layer: number, side: Side, count = sizes.chunks): Value[] {
  const { prompts, group, chunk, config, name } = sizes;
  const shape = [prompts, config.kvHeads, group, chunk, config.headDim];
  return Array.from({ length: count }, (_, i) => t.scratch(`${name}/chunk-${i}.${layer}.${side}`, shape));
}

/** Writes what a layer has computed for the prompts, k and v [P, T, KV, D], the lane's heads, with nothing behind it. */
export function beginCaches(
  t: Trace,
  sizes: CacheSizes,
  layer: number,
  computed: { readonly k: Value; readonly v: Value },
): Node[] {
  return sides.flatMap((side) => [
    t.overwrite(sharedCache(t, sizes, layer, side), t.transpose(computed[side], [0, 2, 1, 3])),
    ...ownChunks(t, sizes, layer, side).map((own) => t.overwrite(own, t.freshZeros(own.shape))),
  ]);
}

/** Copies the caches of prompts `kept` [prompts of `to`], by their places in `from`. */
export function keepCaches(t: Trace, from: CacheSizes, to: CacheSizes, kept: Value): Node[] {
  const all = (sizes: CacheSizes): Value[] =>
    Array.from({ length: sizes.config.layers }, (_, layer) => layer).flatMap((layer) =>
      sides.flatMap((side) => [sharedCache(t, sizes, layer, side), ...ownChunks(t, sizes, layer, side)]),
    );
  const targets = all(to);
  return all(from).map((held, i) => t.overwrite(targets[i]!, t.gather(held, kept)));
}

/** The caches of a layer once rows [P·KV·G, D] of keys and values are written to them. */
export type Extend = (
  layer: number,
  rows: { readonly k: Value; readonly v: Value },
) => { readonly k: Cache; readonly v: Cache };

/** The caches in a step that writes to chunk number `chunks`; slot [1] int32 is the place in it. */
export function extendCaches(t: Trace, sizes: CacheSizes, chunks: number, slot: Value): Extend {
  const { prompts, group, chunk, config } = sizes;
  const begins = t.ints(Array.from({ length: prompts * config.kvHeads * group }, (_, row) => row * chunk));
  const places = t.add(begins, slot);
  const extended = (layer: number, side: Side, rows: Value): Cache => {
    const own = ownChunks(t, sizes, layer, side, chunks);
    const last = t.overwriteRows(own.at(-1)!, places, rows);
    return { shared: sharedCache(t, sizes, layer, side), chunks: [...own.slice(0, -1), last] };
  };
  return (layer, { k, v }) => ({ k: extended(layer, 'k', k), v: extended(layer, 'v', v) });
}

/**
 * 0 for the keys that a row sees in such a step, `masked` for the others, the same in every lane: [P, 1, 1, 1, T and `chunks`
 * chunks]. lengths [P] int32: tokens of the prompts.
 */
export function cacheMask(t: Trace, sizes: CacheSizes, chunks: number, slot: Value, lengths: Value): Value {
  const { prompts: P, promptTokens: T, chunk: C } = sizes;
  const prompt = fillMask(t, t.reshape(lengths, [P, 1, 1, 1, 1]), T);
  const own = t.concat([t.full([(chunks - 1) * C], 0), fillMask(t, t.add(slot, t.ints([1])), C)], 0);
  return t.concat([prompt, t.broadcastTo(own, [P, 1, 1, 1, chunks * C])], -1);
}

/** [..., n] where the first `count` of n places get 0 and the rest `masked`; count [..., 1] int32. */
export function fillMask(t: Trace, count: Value, n: number): Value {
  const at = t.ints(Array.from({ length: n }, (_, i) => i));
  return t.where(t.less(at, count), t.scalar(0), t.scalar(masked));
}
