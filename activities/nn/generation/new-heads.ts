/**
 * What one new token of each row brings to the attention of a layer.
 *
 * Legend: P prompts of G rows each, R = P·G; KV key heads that serve `share` query heads each; D a head's size, in C tiles.
 */
import { fusedTiles } from '../linear.ts';
import type { Parameters } from '../linear.ts';
import type { TextConfig } from '../models/config.ts';
import type { Heads } from '../models/attention.ts';
import { swapHalves } from '../models/rope.ts';
import type { Rotation } from '../models/rope.ts';
import { headModules, projectHeads } from '../models/text.ts';
import type { Value } from '../ops/node.ts';
import { dim } from '../ops/shape.ts';
import type { Trace } from '../ops/trace.ts';
import { tileWidth } from '../tiles.ts';

/** Rows of one prompt lie side by side under each key head. */
export interface NewHeads {
  /** Turned and divided by √D: [P, KV, G, share, D] */
  readonly q: Value;
  /** Turned: [P·KV·G, D] */
  readonly k: Value;
  /** [P·KV·G, D] */
  readonly v: Value;
}

/**
 * The heads of any layer of x [R, width], by the weights that there are: where these lie in tiles, and half a head is a
 * whole number of them, heads are turned as they come out of the product, and moved but once. rotation [R, 1, 1, D]
 */
export function newHeads(
  t: Trace,
  paramsOf: (layer: number) => Parameters,
  config: TextConfig,
  rotation: Rotation,
  P: number,
): (layer: number, x: Value) => NewHeads {
  const inRows = (layer: number, x: Value): NewHeads =>
    fromRows(t, projectHeads(t, paramsOf(layer), config, layer, x, rotation), P);
  const { heads: H, kvHeads: KV, headDim: D } = config;
  if (D % (2 * tileWidth) !== 0) return inRows;
  const scaled = tiledRotation(t, config, rotation);
  return (layer, x) => {
    const tiles = fusedTiles(t, paramsOf(layer), headModules(layer), x, [(H + KV) * D, KV * D]);
    if (tiles === undefined) return inRows(layer, x);
    const [qk = x, v = x] = tiles;
    const swapped = swapHalves(t, qk, [H + KV, 2, -1]);
    const [q = x, k = x] = t.split(
      t.add(t.mul(qk, scaled.cos), t.mul(swapped, scaled.sin)),
      [H, KV].map((n) => (n * D) / tileWidth),
      0,
    );
    return fromTiles(t, { q, k, v }, [P, KV, H / KV, D]);
  };
}

/** [R, heads, D] each */
function fromRows(t: Trace, { q, k, v }: Heads, P: number): NewHeads {
  const [R = 0, H = 0, D = 0] = q.shape;
  const KV = dim(k.shape, 1);
  const scaled = t.reshape(t.scale(q, 1 / Math.sqrt(D)), [R, KV, H / KV, D]);
  const rows = (x: Value): Value => t.reshape(byPrompt(t, x, P, [D]), [-1, D]);
  return { q: byPrompt(t, scaled, P, [H / KV, D]), k: rows(k), v: rows(v) };
}

/** [heads·C, R, 32] each, the head outermost. */
function fromTiles(
  t: Trace,
  { q, k, v }: Heads,
  [P, KV, share, D]: readonly [number, number, number, number],
): NewHeads {
  const [C, G] = [D / tileWidth, dim(q.shape, 1) / P];
  const rows = (x: Value): Value =>
    t.reshape(t.transpose(t.reshape(x, [KV, C, P, G, tileWidth]), [2, 0, 3, 1, 4]), [-1, D]);
  const queries = t.transpose(t.reshape(q, [KV, share, C, P, G, tileWidth]), [3, 0, 4, 1, 2, 5]);
  return { q: t.reshape(queries, [P, KV, G, share, D]), k: rows(k), v: rows(v) };
}

/** The rotation of all heads in tiles, queries divided by √D as they are turned: [(H + KV)·C, R, 32]. */
function tiledRotation(t: Trace, { heads, kvHeads, headDim: D }: TextConfig, rotation: Rotation): Rotation {
  const scales = t.floats(
    Array.from({ length: heads + kvHeads }, (_, head) => (head < heads ? 1 / Math.sqrt(D) : 1)),
    [heads + kvHeads, 1, 1, 1],
  );
  const inTiles = (x: Value): Value => {
    const tiles = t.transpose(t.reshape(x, [-1, D / tileWidth, tileWidth]), [1, 0, 2]); // [C, R, 32]
    return t.reshape(t.mul(scales, tiles), [-1, ...tiles.shape.slice(1)]);
  };
  return { cos: inTiles(rotation.cos), sin: inTiles(rotation.sin) };
}

/** x [R, KV, ...] → [P, KV, G, ...] */
function byPrompt(t: Trace, x: Value, P: number, rest: readonly number[]): Value {
  const [R = 0, KV = 0] = x.shape;
  const G = R / P;
  const split = t.reshape(x, [P, G, KV, ...rest]);
  if (G === 1 || KV === 1) return t.reshape(split, [P, KV, G, ...rest]);
  return t.transpose(split, [0, 2, 1, ...rest.map((_, i) => i + 3)]);
}
