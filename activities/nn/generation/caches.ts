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
  /** Whether the first chunk lies behind the prompt's places, as `joinsFirstChunk` said of the batch's first stage. */
  readonly joined: boolean;
}

type Side = 'k' | 'v';
const sides: readonly Side[] = ['k', 'v'];

/** Keys or values of one layer. */
export interface Cache {
  /** Of the prompt, and behind it of the rows' first chunks where those are joined: [P, KV, T or T + G·C, D]. */
  readonly shared: Value;
  /** Of each row: [P, KV, G, C, D]. */
  readonly chunks: readonly Value[];
}

/** Products up to which those of each head are taken one by one. */
export const fewHeads = 4;
/** Keys of other rows up to which it costs less to meet and mask them than to have products for each row. */
const fewKeys = 512;

/**
 * Whether rows meet their prompt and all first chunks of its rows in one product, those of other rows masked. Every small product
 * over several heads or rows wakes the threads of TensorFlow, which takes longer than the product.
 */
export const joinsFirstChunk = (
  { kvHeads }: TextConfig,
  { prompts, group }: { readonly prompts: number; readonly group: number },
  chunk: number,
): boolean => prompts * kvHeads <= fewHeads && group * chunk <= fewKeys;

const places = ({ group, promptTokens, chunk, joined }: CacheSizes): number =>
  promptTokens + (joined ? group * chunk : 0);

function sharedCache(t: Trace, sizes: CacheSizes, layer: number, side: Side): Value {
  const { kvHeads, headDim } = sizes.config;
  return t.scratch(`${sizes.name}/shared.${layer}.${side}`, [sizes.prompts, kvHeads, places(sizes), headDim]);
}

/** The chunks that are not joined, up to chunk `count`. */
function ownChunks(t: Trace, sizes: CacheSizes, layer: number, side: Side, count = sizes.chunks): Value[] {
  const { prompts, group, chunk, joined, config, name } = sizes;
  const shape = [prompts, config.kvHeads, group, chunk, config.headDim];
  const first = joined ? 1 : 0;
  return Array.from({ length: Math.max(0, count - first) }, (_, i) =>
    t.scratch(`${name}/chunk-${first + i}.${layer}.${side}`, shape),
  );
}

/** Writes what a layer has computed for the prompts, k and v [P, T, KV, D], the lane's heads, with nothing behind it. */
export function beginCaches(
  t: Trace,
  sizes: CacheSizes,
  layer: number,
  computed: { readonly k: Value; readonly v: Value },
): Node[] {
  return sides.flatMap((side) => {
    const shared = sharedCache(t, sizes, layer, side);
    const prompt = t.transpose(computed[side], [0, 2, 1, 3]);
    const behind = places(sizes) - sizes.promptTokens;
    const whole =
      behind === 0
        ? prompt
        : t.pad(
            prompt,
            [0, 0, behind, 0].map((n) => [0, n] as const),
          );
    return [
      t.overwrite(shared, whole),
      ...ownChunks(t, sizes, layer, side).map((own) => t.overwrite(own, t.freshZeros(own.shape))),
    ];
  });
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
  const { prompts: P, group: G, promptTokens: T, chunk: C, joined, config } = sizes;
  const toShared = joined && chunks === 1;
  // Where each row and key head writes, counted over all places of the variable.
  const begins = Array.from({ length: P * config.kvHeads * G }, (_, i) =>
    toShared ? Math.floor(i / G) * places(sizes) + T + (i % G) * C : i * C,
  );
  const written = t.add(t.ints(begins), slot);
  const extendSide = (layer: number, side: Side, rows: Value): Cache => {
    const shared = sharedCache(t, sizes, layer, side);
    const own = ownChunks(t, sizes, layer, side, chunks);
    if (toShared) return { shared: t.overwriteRows(shared, written, rows), chunks: [] };
    return { shared, chunks: [...own.slice(0, -1), t.overwriteRows(own.at(-1)!, written, rows)] };
  };
  return (layer, { k, v }) => ({ k: extendSide(layer, 'k', k), v: extendSide(layer, 'v', v) });
}

/**
 * 0 for the keys that a row sees in such a step, `masked` for the others, the same in every lane: [P, 1, G or 1, 1, places in
 * use]. lengths [P] int32: tokens of the prompts.
 */
export function cacheMask(t: Trace, sizes: CacheSizes, chunks: number, slot: Value, lengths: Value): Value {
  const { prompts: P, group: G, promptTokens: T, chunk: C, joined } = sizes;
  const rows = joined ? G : 1;
  const filled = (index: number): Value =>
    index < chunks - 1 ? t.full([C], 0) : fillMask(t, t.add(slot, t.ints([1])), C);
  const wide = (x: Value): Value => t.broadcastTo(x, [P, 1, rows, 1, x.shape.at(-1) ?? 0]);
  const prompt = wide(fillMask(t, t.reshape(lengths, [P, 1, 1, 1, 1]), T));
  const own = Array.from({ length: chunks }, (_, index) => {
    if (index > 0 || !joined) return wide(filled(index));
    const others = t.floats(
      Array.from({ length: G * G }, (_, i) => (Math.floor(i / G) === i % G ? 0 : masked)),
      [G, G, 1],
    );
    return wide(t.reshape(t.add(others, filled(0)), [1, 1, G, 1, G * C]));
  });
  return t.concat([prompt, ...own], -1);
}

/** [..., n] where the first `count` of n places get 0 and the rest `masked`; count [..., 1] int32. */
export function fillMask(t: Trace, count: Value, n: number): Value {
  const at = t.ints(Array.from({ length: n }, (_, i) => i));
  return t.where(t.less(at, count), t.scalar(0), t.scalar(masked));
}
