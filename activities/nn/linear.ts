import type { Value } from './ops/node.ts';
import { dim } from './ops/shape.ts';
import type { Trace } from './ops/trace.ts';
import { lowRank } from './lora.ts';
import type { LoraPair } from './lora.ts';

/** What a forward pass computes with: weights by their names on disk, and LoRA pairs by the name of the module they update. */
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
  const W = weight(params, `${module}.weight`);
  const bias = params.base[`${module}.bias`];
  const rows = t.reshape(x, [-1, dim(x.shape, -1)]); // [M, K]
  let y = t.cast(t.matmul(t.cast(rows, W.dtype), W, false, true), 'float32'); // [M, N]
  if (bias !== undefined) y = t.add(y, bias);
  const pair = params.lora?.[module];
  if (pair !== undefined) y = t.add(y, lowRank(t, pair, rows));
  return t.reshape(y, [...x.shape.slice(0, -1), dim(W.shape, 0)]);
}

/** Several modules of one input, side by side: one product where their weights are stored as one matrix. */
export function linears(t: Trace, params: Parameters, modules: readonly string[], x: Value): Value {
  const fused = fusedName(modules);
  if (`${fused}.weight` in params.base) return linear(t, params, fused, x);
  return t.concat(
    modules.map((module) => linear(t, params, module, x)),
    -1,
  );
}
