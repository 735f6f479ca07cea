/**
 * Trained tensors laid end to end in one vector of P numbers: one variable, one update, one gradient, whatever the
 * model. The order is that of the names, so that equal sets of tensors have equal layouts.
 */
import type { Value } from '../ops/node.ts';
import { sizeOf } from '../ops/shape.ts';
import type { Shape } from '../ops/shape.ts';
import type { Trace } from '../ops/trace.ts';

export interface FlatEntry {
  readonly name: string;
  readonly shape: Shape;
}

export interface FlatLayout {
  readonly entries: readonly FlatEntry[];
  /** P, numbers in all. */
  readonly size: number;
}

/** Named tensors do not fit the layout. */
export class FlatLayoutError extends Error {
  override readonly name = 'FlatLayoutError';
}

export const flatLayout = (entries: Iterable<FlatEntry>): FlatLayout => {
  const sorted = [...entries].sort((a, b) => (a.name < b.name ? -1 : 1));
  return { entries: sorted, size: sorted.reduce((sum, e) => sum + sizeOf(e.shape), 0) };
};

/** Tensors by name → one vector [P]. Missing, unknown and wrongly sized tensors are errors. */
export const flatten = (
  layout: FlatLayout,
  tensors: ReadonlyMap<string, { readonly shape: Shape; readonly data: Float32Array }>,
): Float32Array => {
  const flat = new Float32Array(layout.size);
  let at = 0;
  for (const { name, shape } of layout.entries) {
    const tensor = tensors.get(name);
    if (tensor === undefined) throw new FlatLayoutError(`tensor "${name}" is missing`);
    if (tensor.data.length !== sizeOf(shape) || tensor.shape.join() !== shape.join())
      throw new FlatLayoutError(
        `tensor "${name}" is [${tensor.shape.join(', ')}], the model needs [${shape.join(', ')}]`,
      );
    flat.set(tensor.data, at);
    at += tensor.data.length;
  }
  if (tensors.size !== layout.entries.length) {
    const known = new Set(layout.entries.map((e) => e.name));
    const unknown = [...tensors.keys()].filter((name) => !known.has(name));
    throw new FlatLayoutError(`no place for ${unknown.slice(0, 3).join(', ')}: train what the model has`);
  }
  return flat;
};

/** One vector [P] → its tensors by name; they are views of it. */
export const unflatten = (
  layout: FlatLayout,
  flat: Float32Array,
): Map<string, { readonly shape: Shape; readonly data: Float32Array }> => {
  if (flat.length !== layout.size)
    throw new FlatLayoutError(`${flat.length} numbers for a layout of ${layout.size}`);
  let at = 0;
  return new Map(
    layout.entries.map(({ name, shape }) => {
      const data = flat.subarray(at, at + sizeOf(shape));
      at += data.length;
      return [name, { shape, data }];
    }),
  );
};

/** The same inside a graph: flat [P] → its tensors by name. */
export const splitFlat = (t: Trace, layout: FlatLayout, flat: Value): Record<string, Value> => {
  const pieces = t.split(
    flat,
    layout.entries.map((e) => sizeOf(e.shape)),
    0,
  );
  return Object.fromEntries(
    layout.entries.map(({ name, shape }, i) => [name, t.reshape(pieces[i] as Value, shape)]),
  );
};
