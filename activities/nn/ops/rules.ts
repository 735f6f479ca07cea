import { booleanOf, constantOf } from './node.ts';
import type { Node, Value } from './node.ts';
import { sizeOf } from './shape.ts';
import type { Shape } from './shape.ts';
import type { Trace } from './trace.ts';

/** What a rule is given: the node, the cotangents of its outputs (undefined where none came) and which inputs lead to a wanted value. */
export interface RuleContext {
  readonly node: Node;
  /** Cotangent of the first output; zeros where only another output has one. */
  readonly g: Value;
  readonly cotangents: readonly (Value | undefined)[];
  readonly needs: readonly boolean[];
}

/** Cotangents of the inputs in order. One may be smaller than its input where it broadcasts to the input's shape. */
type Rule = (t: Trace, context: RuleContext) => readonly (Value | false | undefined)[];

/** The reverse-mode rule of every operation through which gradients flow, by TensorFlow's operation name. */
export const rules: Readonly<Record<string, Rule>> = {
  AddV2: (t, { node, g, needs: [x, y] }) => [
    x && fold(t, g, shapeOf(node, 0)),
    y && fold(t, g, shapeOf(node, 1)),
  ],
  BiasAdd: (t, { node, g, needs: [x, b] }) => [x && g, b && fold(t, g, shapeOf(node, 1))],
  Sub: (t, { node, g, needs: [x, y] }) => [
    x && fold(t, g, shapeOf(node, 0)),
    y && fold(t, t.neg(g), shapeOf(node, 1)),
  ],
  Mul: (t, { node, g, needs: [x, y] }) =>
    isSilu(node)
      ? [t.mul(g, t.add(input(node, 1), t.sigmoidGradient(input(node, 1), input(node, 0)))), undefined]
      : [
          x && fold(t, t.mul(g, input(node, 1)), shapeOf(node, 0)),
          y && fold(t, t.mul(g, input(node, 0)), shapeOf(node, 1)),
        ],
  RealDiv: (t, { node, g, needs: [x, y] }) => {
    const quotient = t.div(g, input(node, 1));
    return [
      x && fold(t, quotient, shapeOf(node, 0)),
      y && fold(t, t.neg(t.mul(quotient, output(node))), shapeOf(node, 1)),
    ];
  },
  Minimum: (t, context) => extremum(t, context, t.lessEqual(input(context.node, 0), input(context.node, 1))),
  Maximum: (t, context) => extremum(t, context, t.lessEqual(input(context.node, 1), input(context.node, 0))),
  Neg: (t, { g }) => [t.neg(g)],
  Square: (t, { node, g }) => [t.mul(input(node, 0), t.scale(g, 2))],
  Sqrt: (t, { node, g }) => [t.div(t.scale(g, 0.5), output(node))],
  Rsqrt: (t, { node, g }) => [t.scale(t.mul(t.mul(output(node), t.square(output(node))), g), -0.5)],
  Exp: (t, { node, g }) => [t.mul(output(node), g)],
  Log: (t, { node, g }) => [t.div(g, input(node, 0))],
  Sigmoid: (t, { node, g }) => [t.sigmoidGradient(output(node), g)],
  Cos: (t, { node, g }) => [t.neg(t.mul(t.sin(input(node, 0)), g))],
  Sin: (t, { node, g }) => [t.mul(t.cos(input(node, 0)), g)],
  Tanh: (t, { node, g }) => [t.sub(g, t.mul(g, t.square(output(node))))],
  Erf: (t, { node, g }) => [
    t.mul(t.scale(t.exp(t.neg(t.square(input(node, 0)))), 2 / Math.sqrt(Math.PI)), g),
  ],
  Identity: (_, { g }) => [g],
  Cast: (t, { node, g }) => [t.cast(g, input(node, 0).dtype)],
  SelectV2: (t, { node, g, needs: [, x, y] }) => {
    const zero = t.scalar(0, g.dtype);
    const condition = input(node, 0);
    return [
      undefined,
      x && fold(t, t.where(condition, g, zero), shapeOf(node, 1)),
      y && fold(t, t.where(condition, zero, g), shapeOf(node, 2)),
    ];
  },

  MatMul: (t, { node, g, needs: [needX, needY] }) => {
    const [x, y, tx, ty] = [
      input(node, 0),
      input(node, 1),
      booleanOf(node, 'transpose_a'),
      booleanOf(node, 'transpose_b'),
    ];
    return [
      needX && (tx ? t.matmul(y, g, ty, true) : t.matmul(g, y, false, !ty)),
      needY && (ty ? t.matmul(g, x, true, tx) : t.matmul(x, g, !tx, false)),
    ];
  },
  BatchMatMulV2: (t, { node, g, needs: [needX, needY] }) => {
    const [x, y, tx, ty] = [
      input(node, 0),
      input(node, 1),
      booleanOf(node, 'adj_x'),
      booleanOf(node, 'adj_y'),
    ];
    return [
      needX && fold(t, tx ? t.batchMatmul(y, g, ty, true) : t.batchMatmul(g, y, false, !ty), x.shape),
      needY && fold(t, ty ? t.batchMatmul(g, x, true, tx) : t.batchMatmul(x, g, !tx, false), y.shape),
    ];
  },

  Sum: (t, { node, g }) => [t.reshape(g, keptShape(node))],
  Mean: (t, { node, g }) => [
    t.scale(t.reshape(g, keptShape(node)), sizeOf(g.shape) / sizeOf(shapeOf(node, 0))),
  ],
  Max: (t, { node, g }) => {
    const kept = keptShape(node);
    const hits = t.cast(t.equal(input(node, 0), t.reshape(output(node), kept)), g.dtype);
    const count = t.sum(hits, constantOf(node.inputs[1]), true);
    return [t.mul(hits, t.div(t.reshape(g, kept), count))];
  },
  Cumsum: (t, { node, g }) => [
    t.cumsum(
      g,
      constantOf(node.inputs[1])[0] ?? 0,
      booleanOf(node, 'exclusive'),
      !booleanOf(node, 'reverse'),
    ),
  ],
  Softmax: (t, { node, g }) => {
    const gy = t.mul(g, output(node));
    return [t.sub(gy, t.mul(t.sum(gy, [-1], true), output(node)))];
  },
  LogSoftmax: (t, { node, g }) => [t.sub(g, t.mul(t.sum(g, [-1], true), t.exp(output(node))))],

  Reshape: (t, { node, g }) => [t.reshape(g, shapeOf(node, 0))],
  ReverseV2: (t, { node, g }) => [t.reverse(g, constantOf(node.inputs[1])[0] ?? 0)],
  Transpose: (t, { node, g }) => {
    const inverse: number[] = [];
    for (const [to, from] of constantOf(node.inputs[1]).entries()) inverse[from] = to;
    return [t.transpose(g, inverse)];
  },
  ConcatV2: (t, { node, g }) => {
    const axis = constantOf(node.inputs.at(-1))[0] ?? 0;
    return t.split(
      g,
      node.inputs.slice(0, -1).map((x) => x.shape[axis] ?? 0),
      axis,
    );
  },
  SplitV: (t, { node, cotangents }) => {
    const axis = constantOf(node.inputs[2])[0] ?? 0;
    return [
      t.concat(
        node.outputs.map((part, i) => cotangents[i] ?? t.full(part.shape, 0, part.dtype)),
        axis,
      ),
    ];
  },
  Slice: (t, { node, g }) => {
    const [x, begin] = [input(node, 0), constantOf(node.inputs[1])];
    return [
      t.pad(
        g,
        x.shape.map((d, i) => [begin[i] ?? 0, d - (begin[i] ?? 0) - (g.shape[i] ?? 0)] as const),
      ),
    ];
  },
  Pad: (t, { node, g }) => {
    const widths = constantOf(node.inputs[1]);
    return [
      t.slice(
        g,
        g.shape.map((_, i) => widths[2 * i] ?? 0),
        shapeOf(node, 0),
      ),
    ];
  },
  BroadcastTo: (t, { node, g }) => [fold(t, g, shapeOf(node, 0))],
  GatherV2: (t, { node, g }) => [t.scatterAdd(g, input(node, 1), input(node, 0).shape[0] ?? 0)],
  UnsortedSegmentSum: (t, { node, g }) => [t.gather(g, input(node, 1))],
};

function input(node: Node, index: number): Value {
  const value = node.inputs[index];
  if (value === undefined) throw new TypeError(`${node.op} has no input ${index}`);
  return value;
}

function output(node: Node, index = 0): Value {
  const value = node.outputs[index];
  if (value === undefined) throw new TypeError(`${node.op} has no output ${index}`);
  return value;
}

const shapeOf = (node: Node, index: number): Shape => input(node, index).shape;

/** `x · σ(x)`: its derivative, `σ + x·σ·(1 − σ)`, takes fewer passes over memory as a whole than by its factors. */
const isSilu = (node: Node): boolean =>
  input(node, 1).node.op === 'Sigmoid' && input(node, 1).node.inputs[0] === input(node, 0);

/** The shape of a reduction's result had it kept its axes. */
function keptShape(node: Node): number[] {
  const axes = constantOf(node.inputs[1]);
  return shapeOf(node, 0).map((d, i) => (axes.includes(i) ? 1 : d));
}

/** Sums a cotangent over the axes along which an operand was broadcast. */
function fold(t: Trace, g: Value, shape: Shape): Value {
  const lead = g.shape.length - shape.length;
  const axes = g.shape.flatMap((d, i) => (i < lead || (shape[i - lead] === 1 && d !== 1) ? [i] : []));
  return axes.length === 0 ? g : t.reshape(t.sum(g, axes), shape);
}

function extremum(
  t: Trace,
  { node, g, needs: [x, y] }: RuleContext,
  takesX: Value,
): (Value | false | undefined)[] {
  const zero = t.scalar(0, g.dtype);
  return [
    x && fold(t, t.where(takesX, g, zero), shapeOf(node, 0)),
    y && fold(t, t.where(takesX, zero, g), shapeOf(node, 1)),
  ];
}
