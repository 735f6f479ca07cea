import type { Value } from './ops/node.ts';
import { dim } from './ops/shape.ts';
import type { Trace } from './ops/trace.ts';
import { lowRanks } from './lora.ts';
import type { LoraPair } from './lora.ts';
import { tiledProduct, tiledProducts, tileWidth } from './tiles.ts';

/** What a forward pass computes with: weights by their names on disk, or their tiles, and LoRA pairs by the name of the module they update. */
export interface Parameters {
  readonly base: Readonly<Record<string, Value>>;
  readonly lora?: Readonly<Record<string, LoraPair>>;
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
  const updates = lowRanks(t, pairs, rows);
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
  const [tiles, bias] = [params.base[tilesName(fused)], params.base[`${fused}.bias`]];
  if (tiles === undefined && params.base[`${fused}.weight`] === undefined) return undefined;
  if (tiles === undefined || bias !== undefined || sizes.some((n) => n % tileWidth !== 0))
    return t.split(linear(t, params, fused, x), sizes, -1);
  const rows = t.reshape(x, [-1, dim(x.shape, -1)]);
  const parts = tiledProducts(t, tilesInput(t, params, fused, rows), tiles, sizes);
  return parts.map((y) => t.reshape(y, [...x.shape.slice(0, -1), -1]));
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
  const bias = params.base[`${module}.bias`];
  const tiles = params.base[tilesName(module)];
  if (tiles !== undefined) {
    const y = tiledProduct(t, tilesInput(t, params, module, x), tiles);
    return bias === undefined ? y : t.biasAdd(y, bias);
  }
  const W = weight(params, `${module}.weight`);
  const y = t.matmul(t.cast(x, W.dtype), W, false, true);
  return t.cast(bias === undefined ? y : t.biasAdd(y, t.cast(bias, W.dtype)), 'float32');
}
