import type { Value } from './ops/node.ts';
import { dim } from './ops/shape.ts';
import type { Trace } from './ops/trace.ts';
import { lowRanks } from './lora.ts';
import type { LoraPair } from './lora.ts';
import { rowsOf, tiledProduct, tileWidth } from './tiles.ts';

/** What a forward pass computes with: weights by their names on disk, or their tiles, and LoRA pairs by the name of the module they update. */
export interface Parameters {
  readonly base: Readonly<Record<string, Value>>;
  readonly lora?: Readonly<Record<string, LoraPair>>;
  /** The lane whose tokens these compute; each drops out numbers of its own. */
  readonly lane?: number;
}

/** A model asks for a weight that it was not given. */
export class MissingParameter extends Error {
  override readonly name = 'MissingParameter';
}

export function weight(params: Parameters, name: string): Value {
  const value = params.base[name];
  if (value === undefined) throw new MissingParameter(`the model needs the parameter "${name}"`);
  return value;
}

/** Where the products of several modules with one input are stored as one matrix, its name. */
export const fusedName = (modules: readonly string[]): string => modules.join('+');

/**
 * `y = x·Wᵀ + b`, and with an adapter `+ s·(x·Aᵀ)·Bᵀ`. The product is computed in the dtype the weight is stored in, the rest
 * in float32.
 *
 * Shapes: x [..., K], W [N, K], b [N] → y [..., N].
 */
export function linear(t: Trace, params: Parameters, module: string, x: Value): Value {
  const [y = x] = linears(t, params, [module], x);
  return y;
}

/** Several modules of one input, each by its own weight. */
export function linears(
  t: Trace,
  params: Parameters,
  modules: readonly string[],
  x: Value,
): readonly Value[] {
  const rows = t.reshape(x, [-1, dim(x.shape, -1)]); // [M, K]
  const pairs = modules.map((module) => params.lora?.[module]);
  const updates = lowRanks(t, pairs, rows, params.lane);
  return modules.map((module, i) => {
    const [y, update] = [product(t, params, module, rows), updates[i]];
    const sum = update === undefined ? y : t.add(y, update);
    return t.reshape(sum, [...x.shape.slice(0, -1), dim(y.shape, -1)]);
  });
}

/** Where modules with one input are stored as one matrix: its product, cut into parts of so many outputs; else undefined. */
export function fusedLinear(
  t: Trace,
  params: Parameters,
  modules: readonly string[],
  x: Value,
  sizes: readonly number[],
): readonly Value[] | undefined {
  const fused = fusedName(modules);
  const isThere = [tilesName(fused), `${fused}.weight`].some((name) => params.base[name] !== undefined);
  return isThere ? t.split(linear(t, params, fused, x), sizes, -1) : undefined;
}

/**
 * The same where that matrix lies in tiles and each part is a whole number of them, which are parted without a copy: each
 * part of n outputs is [n/32, M, 32], M the rows of x.
 */
export function fusedTiles(
  t: Trace,
  params: Parameters,
  modules: readonly string[],
  x: Value,
  sizes: readonly number[],
): readonly Value[] | undefined {
  const fused = fusedName(modules);
  if (params.base[tilesName(fused)] === undefined || sizes.some((n) => n % tileWidth !== 0)) return undefined;
  const y = productInTiles(t, params, fused, t.reshape(x, [-1, dim(x.shape, -1)]));
  return t.split(
    y,
    sizes.map((n) => n / tileWidth),
    0,
  );
}

/** Where the tiles of a module's weight are found in its stead. */
export const tilesName = (module: string): string => `${module}.tiles`;

/** Where the A of a module's adapter is found, with the scale in it, whose B lies under the tiles. */
export const reductionName = (module: string): string => `${module}.reduction`;

/** What tiles are multiplied by: x [M, K], and behind it what the adapter's A makes of it, → [M, K + R]. */
function tilesInput(t: Trace, params: Parameters, module: string, x: Value): Value {
  const A = params.base[reductionName(module)];
  return A === undefined ? x : t.concat([x, t.matmul(x, A, false, true)], 1);
}

/** x [M, K] → [M, N] float32. */
function product(t: Trace, params: Parameters, module: string, x: Value): Value {
  if (params.base[tilesName(module)] !== undefined) return rowsOf(t, productInTiles(t, params, module, x));
  const bias = params.base[`${module}.bias`];
  const W = weight(params, `${module}.weight`);
  const y = t.matmul(t.cast(x, W.dtype), W, false, true);
  return t.cast(bias === undefined ? y : t.biasAdd(y, t.cast(bias, W.dtype)), 'float32');
}

/** The product of a module whose weight lies in tiles, left in tiles: x [M, K] → [N/32, M, 32]. */
export function productInTiles(t: Trace, params: Parameters, module: string, x: Value): Value {
  const y = tiledProduct(t, tilesInput(t, params, module, x), weight(params, tilesName(module)));
  const bias = params.base[`${module}.bias`];
  return bias === undefined ? y : t.add(y, t.reshape(bias, [-1, 1, tileWidth]));
}
