import type { DType } from './dtype.ts';
import { sameType } from './elementwise.ts';
import { Layout } from './layout.ts';
import type { Value } from './node.ts';
import { broadcast, dim, frontAxes, sameShape, ShapeError, show } from './shape.ts';
import type { Shape } from './shape.ts';

/**
 * The vocabulary of operations that models are written in. Calling one records a node and returns its value; nothing is
 * computed. Shapes are static: what does not fit fails here, with every shape in the message.
 *
 * A trace is differentiated by `gradient.ts` and run by `runtime/`. Values of the same dtype are combined; `cast` is explicit.
 */
export class Trace extends Layout {
  // ── products ──

  /** [M, K] · [K, N] → [M, N], either operand read transposed. */
  matmul(x: Value, y: Value, transposeX = false, transposeY = false): Value {
    if (x.shape.length !== 2 || y.shape.length !== 2)
      throw new ShapeError(`matmul: ${show(x.shape)} and ${show(y.shape)} are not matrices`);
    const shape = productShape('matmul', x, y, transposeX, transposeY);
    const attrs = {
      transpose_a: { bool: transposeX },
      transpose_b: { bool: transposeY },
      T: { type: x.dtype },
    };
    return this.one('MatMul', attrs, [x, y], shape, x.dtype);
  }

  /** x [..., N] + b [N]: TensorFlow adds it within the product that x comes from, where there is one. */
  biasAdd(x: Value, b: Value): Value {
    sameType('biasAdd', x, b);
    if (!sameShape(b.shape, x.shape.slice(-1)))
      throw new ShapeError(`biasAdd: ${show(b.shape)} to ${show(x.shape)}`);
    const attrs = { T: { type: x.dtype }, data_format: { string: 'NHWC' } } as const;
    return this.one('BiasAdd', attrs, [x, b], x.shape, x.dtype);
  }

  /** [..., M, K] · [..., K, N] → [..., M, N]; leading dimensions broadcast. */
  batchMatmul(x: Value, y: Value, transposeX = false, transposeY = false): Value {
    const [m, n] = productShape('batchMatmul', x, y, transposeX, transposeY);
    const batch = broadcast('batchMatmul', x.shape.slice(0, -2), y.shape.slice(0, -2));
    const attrs = { T: { type: x.dtype }, adj_x: { bool: transposeX }, adj_y: { bool: transposeY } };
    return this.one('BatchMatMulV2', attrs, [x, y], [...batch, m, n], x.dtype);
  }

  // ── reductions ──

  sum(x: Value, axes: readonly number[], keep = false): Value {
    return this.#reduce('Sum', x, axes, keep);
  }
  mean(x: Value, axes: readonly number[], keep = false): Value {
    return this.#reduce('Mean', x, axes, keep);
  }
  max(x: Value, axes: readonly number[], keep = false): Value {
    return this.#reduce('Max', x, axes, keep);
  }
  /** The index of the first largest entry along the last axis. */
  argmax(x: Value): Value {
    const attrs = { T: { type: x.dtype }, Tidx: { type: 'int32' }, output_type: { type: 'int32' } } as const;
    return this.one('ArgMax', attrs, [x, this.scalar(-1, 'int32')], x.shape.slice(0, -1), 'int32');
  }
  /** Running sum along an axis. */
  cumsum(x: Value, axis: number, exclusive = false, reverse = false): Value {
    const [front] = frontAxes('cumsum', x.shape, [axis]);
    const attrs = {
      exclusive: { bool: exclusive },
      reverse: { bool: reverse },
      T: { type: x.dtype },
      Tidx: { type: 'int32' },
    } as const;
    return this.one('Cumsum', attrs, [x, this.scalar(front ?? 0, 'int32')], x.shape, x.dtype);
  }
  /** Over the last axis. */
  softmax(x: Value): Value {
    return this.unary('Softmax', x);
  }
  /** Over the last axis. */
  logSoftmax(x: Value): Value {
    return this.unary('LogSoftmax', x, { T: { type: x.dtype } });
  }
  /**
   * −log softmax(logits)[label] in nats: logits [N, V] float32, labels [N] int32 → [N]; its gradient is softmax − onehot.
   *
   * By the softmax of oneDNN, whose largest probability gives the normaliser: log Σ exp(x) = max x − log max p. TensorFlow's
   * own operation takes eight times as long on a large vocabulary.
   */
  crossEntropy(logits: Value, labels: Value): Value {
    const [N = 0, V = 0] = logits.shape;
    if (logits.shape.length !== 2 || !sameShape(labels.shape, [N]))
      throw new ShapeError(`crossEntropy: logits ${show(logits.shape)} and labels ${show(labels.shape)}`);
    const odds = this.softmax(logits);
    const normaliser = this.sub(this.max(logits, [1]), this.log(this.max(odds, [1])));
    const row = this.ints(Array.from({ length: N }, (_, i) => i));
    const chosen = this.gather(
      this.reshape(logits, [N * V]),
      this.add(this.mul(row, this.scalar(V, 'int32')), labels),
    );
    const places = this.concat([this.reshape(row, [N, 1]), this.reshape(labels, [N, 1])], 1);
    return this.withPullback(this.sub(normaliser, chosen), [logits], (g) => [
      this.scatterSub(this.mul(odds, this.reshape(g, [N, 1])), places, g),
    ]);
  }

  // ── random numbers ──

  /**
   * Numbers in [0, 1) with 23 random bits each, by Philox 4×32 with ten rounds: a pure function of key [2] int32, stream
   * and shape. Number i is word i mod 4 of `philox([⌊i / 4⌋, 0, stream, 0], key)` of `random.ts`, its lower 23 bits.
   * A program that XLA compiles draws other numbers from the same key and stream.
   */
  uniform(key: Value, stream: number, shape: Shape): Value {
    if (key.dtype !== 'int32' || !sameShape(key.shape, [2]))
      throw new ShapeError(`uniform: the key is ${key.dtype} ${show(key.shape)}, not int32 [2]`);
    const philox = 1; // tensorflow/core/framework/rng_alg.h
    const counter = this.#pairs(this.ints([0, 0, stream, 0], [2, 2]));
    const attrs = { dtype: { type: 'float32' }, Tshape: { type: 'int32' } } as const;
    const inputs = [
      this.ints(shape),
      this.#pairs(this.reshape(key, [1, 2])),
      counter,
      this.scalar(philox, 'int32'),
    ];
    return this.one('StatelessRandomUniformV2', attrs, inputs, shape, 'float32');
  }

  /** [n, 2] int32 read as [n] uint64, the low half first. */
  #pairs(x: Value): Value {
    const attrs = { T: { type: 'int32' }, type: { type: 'uint64' } } as const;
    return this.one('Bitcast', attrs, [x], x.shape.slice(0, -1), 'uint64');
  }

  /** Zeros in memory that no other value shares, for a variable that `overwriteRows` writes to. */
  freshZeros(shape: Shape, dtype: DType = 'float32'): Value {
    return this.one(
      'Empty',
      { dtype: { type: dtype }, init: { bool: true } },
      [this.ints(shape)],
      shape,
      dtype,
    );
  }

  /**
   * What a variable holds once rows are written over it, in its own memory: they stay, and cost what they measure. Rows are counted
   * over all axes but the last: x [n, D] goes to `places` [n] int32. What else has the variable's memory would change with it, so it
   * holds what was computed for it alone or `freshZeros`. XLA would write to a copy.
   */
  overwriteRows(variable: Value, places: Value, x: Value): Value {
    const D = dim(variable.shape, -1);
    if (variable.node.op !== 'ReadVariableOp')
      throw new TypeError(`overwriteRows: ${variable.node.op} is not a variable`);
    if (!sameShape(x.shape, [...places.shape, D]) || places.shape.length !== 1)
      throw new ShapeError(
        `overwriteRows: ${show(x.shape)} at ${show(places.shape)} places of ${show(variable.shape)}`,
      );
    const rows = this.reshape(variable, [-1, D]);
    const written = this.one(
      'InplaceUpdate',
      { T: { type: x.dtype } },
      [rows, places, x],
      rows.shape,
      x.dtype,
    );
    return this.reshape(written, variable.shape);
  }

  /** x [A, B] with numbers [N] taken off it at places [N, 2]. */
  scatterSub(x: Value, places: Value, numbers: Value): Value {
    if (x.shape.length !== 2 || !sameShape(places.shape, [...numbers.shape, 2]))
      throw new ShapeError(
        `scatterSub: ${show(numbers.shape)} at places ${show(places.shape)} of ${show(x.shape)}`,
      );
    const attrs = { T: { type: x.dtype }, Tindices: { type: 'int32' } } as const;
    return this.one('TensorScatterSub', attrs, [x, places, numbers], x.shape, x.dtype);
  }

  #reduce(op: string, x: Value, axes: readonly number[], keep: boolean): Value {
    const front = frontAxes(op, x.shape, axes);
    const attrs = { T: { type: x.dtype }, Tidx: { type: 'int32' }, keep_dims: { bool: keep } } as const;
    const shape = keep
      ? x.shape.map((d, i) => (front.includes(i) ? 1 : d))
      : x.shape.filter((_, i) => !front.includes(i));
    return this.one(op, attrs, [x, this.ints(front)], shape, x.dtype);
  }
}

function productShape(op: string, x: Value, y: Value, tx: boolean, ty: boolean): [number, number] {
  sameType(op, x, y);
  const inner = dim(x.shape, tx ? -2 : -1);
  if (inner !== dim(y.shape, ty ? -1 : -2))
    throw new ShapeError(
      `${op}: ${show(x.shape)}${tx ? 'ᵀ' : ''} · ${show(y.shape)}${ty ? 'ᵀ' : ''} do not fit`,
    );
  return [dim(x.shape, tx ? -1 : -2), dim(y.shape, ty ? -2 : -1)];
}
