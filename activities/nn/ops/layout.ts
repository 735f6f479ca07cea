import { Elementwise, sameType } from './elementwise.ts';
import type { Value } from './node.ts';
import type { Signature } from './recorder.ts';
import { broadcast, dim, frontAxes, sameShape, ShapeError, show, sizeOf } from './shape.ts';
import type { Shape } from './shape.ts';

/** Operations that put numbers in other places, and add up those that come to one place. */
export class Layout extends Elementwise {
  /** Rearranges row-major; one dimension may be −1. */
  reshape(x: Value, shape: Shape): Value {
    const known = shape.reduce((product, d) => (d === -1 ? product : product * d), 1);
    const full = shape.map((d) => (d === -1 ? sizeOf(x.shape) / known : d));
    if (sizeOf(full) !== sizeOf(x.shape) || full.some((d) => !Number.isInteger(d)))
      throw new ShapeError(`reshape: ${show(x.shape)} to ${show(shape)}`);
    if (sameShape(full, x.shape)) return x;
    return this.one(
      'Reshape',
      { T: { type: x.dtype }, Tshape: { type: 'int32' } },
      [x, this.ints(full)],
      full,
      x.dtype,
    );
  }
  transpose(x: Value, permutation: readonly number[]): Value {
    const axes = frontAxes('transpose', x.shape, permutation);
    if (new Set(axes).size !== x.shape.length)
      throw new ShapeError(`transpose: ${show(permutation)} of ${show(x.shape)}`);
    const attrs = { T: { type: x.dtype }, Tperm: { type: 'int32' } } as const;
    return this.one(
      'Transpose',
      attrs,
      [x, this.ints(axes)],
      axes.map((axis) => dim(x.shape, axis)),
      x.dtype,
    );
  }
  concat(values: readonly Value[], axis: number): Value {
    const [x] = values;
    if (x === undefined) throw new TypeError('concat: nothing to join');
    if (values.length === 1) return x;
    const [front = 0] = frontAxes('concat', x.shape, [axis]);
    for (const y of values) {
      sameType('concat', x, y);
      if (y.shape.length !== x.shape.length || y.shape.some((d, i) => i !== front && d !== x.shape[i]))
        throw new ShapeError(`concat along ${axis}: ${values.map((value) => show(value.shape)).join(', ')}`);
    }
    const shape = x.shape.map((d, i) =>
      i === front ? values.reduce((sum, y) => sum + dim(y.shape, i), 0) : d,
    );
    const attrs = { N: { int: values.length }, T: { type: x.dtype }, Tidx: { type: 'int32' } } as const;
    return this.one('ConcatV2', attrs, [...values, this.scalar(front, 'int32')], shape, x.dtype);
  }
  split(x: Value, sizes: readonly number[], axis: number): readonly Value[] {
    const [front = 0] = frontAxes('split', x.shape, [axis]);
    if (sizes.reduce((sum, n) => sum + n, 0) !== x.shape[front])
      throw new ShapeError(`split: ${show(x.shape)} along ${axis} into ${show(sizes)}`);
    if (sizes.length === 1) return [x];
    const attrs = {
      num_split: { int: sizes.length },
      T: { type: x.dtype },
      Tlen: { type: 'int32' },
    } as const;
    const outputs = sizes.map((n): Signature => [x.shape.map((d, i) => (i === front ? n : d)), x.dtype]);
    return this.record('SplitV', attrs, [x, this.ints(sizes), this.scalar(front, 'int32')], outputs).outputs;
  }
  /** The entries of the first axis, each without it. */
  unstack(x: Value): readonly Value[] {
    const [count = 0, ...shape] = x.shape;
    const attrs = { num: { int: count }, T: { type: x.dtype }, axis: { int: 0 } } as const;
    const outputs = Array.from({ length: count }, (): Signature => [shape, x.dtype]);
    return this.record('Unpack', attrs, [x], outputs).outputs;
  }
  /** [n, m, d] → [m, n, d], in one pass that TensorFlow begins at once, unlike a transposition's. */
  interleave(x: Value): Value {
    const [n = 0, m = 0, d = 0] = x.shape;
    if (x.shape.length !== 3) throw new ShapeError(`interleave: ${show(x.shape)} has not three axes`);
    const attrs = {
      T: { type: x.dtype },
      Tblock_shape: { type: 'int32' },
      Tcrops: { type: 'int32' },
    } as const;
    const inputs = [x, this.ints([n]), this.ints([0, 0], [1, 2])];
    return this.reshape(this.one('BatchToSpaceND', attrs, inputs, [1, m * n, d], x.dtype), [m, n, d]);
  }
  slice(x: Value, begin: readonly number[], size: readonly number[]): Value {
    if (
      begin.length !== x.shape.length ||
      size.length !== x.shape.length ||
      size.some((n, i) => n < 0 || dim(begin, i) < 0 || dim(begin, i) + n > dim(x.shape, i))
    )
      throw new ShapeError(`slice: ${show(size)} from ${show(begin)} of ${show(x.shape)}`);
    const attrs = { T: { type: x.dtype }, Index: { type: 'int32' } } as const;
    return this.one('Slice', attrs, [x, this.ints(begin), this.ints(size)], size, x.dtype);
  }
  /** Entries of one axis in reverse order. */
  reverse(x: Value, axis: number): Value {
    const attrs = { T: { type: x.dtype }, Tidx: { type: 'int32' } } as const;
    return this.one('ReverseV2', attrs, [x, this.ints([axis])], x.shape, x.dtype);
  }
  /** Zeros before and after each axis. */
  pad(x: Value, widths: readonly (readonly [number, number])[]): Value {
    if (widths.length !== x.shape.length)
      throw new ShapeError(`pad: ${widths.length} widths for shape ${show(x.shape)}`);
    const attrs = { T: { type: x.dtype }, Tpaddings: { type: 'int32' } } as const;
    const shape = x.shape.map((d, i) => d + (widths[i]?.[0] ?? 0) + (widths[i]?.[1] ?? 0));
    return this.one('Pad', attrs, [x, this.ints(widths.flat(), [widths.length, 2])], shape, x.dtype);
  }
  broadcastTo(x: Value, shape: Shape): Value {
    if (sameShape(x.shape, shape)) return x;
    if (!sameShape(broadcast('broadcastTo', x.shape, shape), shape))
      throw new ShapeError(`broadcastTo: ${show(x.shape)} to ${show(shape)}`);
    return this.one(
      'BroadcastTo',
      { T: { type: x.dtype }, Tidx: { type: 'int32' } },
      [x, this.ints(shape)],
      shape,
      x.dtype,
    );
  }
  /** Rows of a table: [N, ...] and indices [...I] → [...I, ...]. */
  gather(table: Value, indices: Value): Value {
    if (indices.dtype !== 'int32') throw new TypeError(`gather: indices are ${indices.dtype}, not int32`);
    const attrs = {
      Tparams: { type: table.dtype },
      Tindices: { type: 'int32' },
      Taxis: { type: 'int32' },
      batch_dims: { int: 0 },
    } as const;
    return this.one(
      'GatherV2',
      attrs,
      [table, indices, this.scalar(0, 'int32')],
      [...indices.shape, ...table.shape.slice(1)],
      table.dtype,
    );
  }
  /** The inverse of gather: rows [...I, ...] added up by index into a table of `count` rows. */
  scatterAdd(rows: Value, indices: Value, count: number): Value {
    const rest = rows.shape.slice(indices.shape.length);
    if (!sameShape(rows.shape.slice(0, indices.shape.length), indices.shape))
      throw new ShapeError(`scatterAdd: rows ${show(rows.shape)} by indices ${show(indices.shape)}`);
    const attrs = {
      T: { type: rows.dtype },
      Tindices: { type: 'int32' },
      Tnumsegments: { type: 'int32' },
    } as const;
    return this.one(
      'UnsortedSegmentSum',
      attrs,
      [rows, indices, this.scalar(count, 'int32')],
      [count, ...rest],
      rows.dtype,
    );
  }
}
