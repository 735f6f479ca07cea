/** A static shape: every dimension is known while a graph is traced. */
export type Shape = readonly number[];

/** Operands of an operation do not fit; the message names the operation and every shape. */
export class ShapeError extends Error {
  override readonly name = 'ShapeError';
}

export const sizeOf = (shape: Shape): number => shape.reduce((product, dim) => product * dim, 1);

export const sameShape = (a: Shape, b: Shape): boolean =>
  a.length === b.length && a.every((d, i) => d === b[i]);

export const show = (shape: Shape): string => `[${shape.join(', ')}]`;

/** The dimension at an index, negative ones counted from the end. */
export function dim(shape: Shape, index: number): number {
  const found = shape.at(index);
  if (found === undefined) throw new ShapeError(`dimension ${index} of shape ${show(shape)} does not exist`);
  return found;
}

/** Axes counted from the front; an axis outside the rank is an error. */
export function frontAxes(op: string, shape: Shape, axes: readonly number[]): number[] {
  return axes.map((axis) => {
    const front = axis < 0 ? axis + shape.length : axis;
    if (!Number.isInteger(front) || front < 0 || front >= shape.length)
      throw new ShapeError(`${op}: axis ${axis} is outside shape ${show(shape)}`);
    return front;
  });
}

/** The shape that both operands broadcast to, by NumPy's rule. */
export function broadcast(op: string, a: Shape, b: Shape): number[] {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, i) => {
    const x = a[a.length - rank + i] ?? 1;
    const y = b[b.length - rank + i] ?? 1;
    if (x !== y && x !== 1 && y !== 1)
      throw new ShapeError(`${op}: shapes ${show(a)} and ${show(b)} do not broadcast`);
    return x === 1 ? y : x;
  });
}
