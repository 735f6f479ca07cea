import { isFloat } from './dtype.ts';
import type { Attributes, Value } from './node.ts';
import { Recorder } from './recorder.ts';
import { broadcast, show } from './shape.ts';

type Comparison = 'Less' | 'LessEqual' | 'Greater' | 'GreaterEqual' | 'Equal' | 'NotEqual';

/**
 * Keeps TensorFlow's rewriter from making one `AddN` of a tree of additions, by the mark it leaves on those it has seen. `AddN`
 * begins with the first summand whose memory is free when it runs, so that its last bits depend on what other threads have done.
 */
const inThisOrder = { _grappler_ArithmeticOptimizer_AddOpsRewriteStage: { bool: true } } as const;

/** Operations on each element; operands of different shapes broadcast by NumPy's rule. */
export class Elementwise extends Recorder {
  add(x: Value, y: Value): Value {
    return this.binary('AddV2', x, y, inThisOrder);
  }
  sub(x: Value, y: Value): Value {
    return this.binary('Sub', x, y);
  }
  mul(x: Value, y: Value): Value {
    return this.binary('Mul', x, y);
  }
  div(x: Value, y: Value): Value {
    return this.binary('RealDiv', x, y);
  }
  minimum(x: Value, y: Value): Value {
    return this.binary('Minimum', x, y);
  }
  maximum(x: Value, y: Value): Value {
    return this.binary('Maximum', x, y);
  }
  scale(x: Value, factor: number): Value {
    return factor === 1 ? x : this.mul(x, this.scalar(factor, x.dtype));
  }
  neg(x: Value): Value {
    return this.unary('Neg', x);
  }
  square(x: Value): Value {
    return this.unary('Square', x);
  }
  sqrt(x: Value): Value {
    return this.unary('Sqrt', x);
  }
  rsqrt(x: Value): Value {
    return this.unary('Rsqrt', x);
  }
  exp(x: Value): Value {
    return this.unary('Exp', x);
  }
  log(x: Value): Value {
    return this.unary('Log', x);
  }
  sigmoid(x: Value): Value {
    return this.unary('Sigmoid', x);
  }
  cos(x: Value): Value {
    return this.unary('Cos', x);
  }
  sin(x: Value): Value {
    return this.unary('Sin', x);
  }
  tanh(x: Value): Value {
    return this.unary('Tanh', x);
  }
  erf(x: Value): Value {
    return this.unary('Erf', x);
  }
  /** The derivative of a sigmoid from its output: g · y · (1 − y). */
  sigmoidGradient(y: Value, g: Value): Value {
    return this.binary('SigmoidGrad', y, g);
  }
  /** The value itself, through which no gradient flows. */
  stopGradient(x: Value): Value {
    return this.unary('StopGradient', x);
  }

  /** The bits of int32 pairs read as bfloat16: [n] int32 → [n, 2] bfloat16, the low half first. */
  bitcastToBfloat16(x: Value): Value {
    const attrs = { T: { type: 'int32' }, type: { type: 'bfloat16' } } as const;
    return this.one('Bitcast', attrs, [x], [...x.shape, 2], 'bfloat16');
  }

  compare(op: Comparison, x: Value, y: Value): Value {
    sameType(op, x, y);
    const strict = op === 'Equal' || op === 'NotEqual';
    const attrs = { T: { type: x.dtype }, ...(strict ? { incompatible_shape_error: { bool: true } } : {}) };
    return this.one(op, attrs, [x, y], broadcast(op, x.shape, y.shape), 'bool');
  }
  less(x: Value, y: Value): Value {
    return this.compare('Less', x, y);
  }
  lessEqual(x: Value, y: Value): Value {
    return this.compare('LessEqual', x, y);
  }
  equal(x: Value, y: Value): Value {
    return this.compare('Equal', x, y);
  }
  and(x: Value, y: Value): Value {
    return this.one('LogicalAnd', {}, [x, y], broadcast('and', x.shape, y.shape), 'bool');
  }
  or(x: Value, y: Value): Value {
    return this.one('LogicalOr', {}, [x, y], broadcast('or', x.shape, y.shape), 'bool');
  }
  /** x where the condition holds, y elsewhere; the three broadcast. */
  where(condition: Value, x: Value, y: Value): Value {
    if (condition.dtype !== 'bool')
      throw new TypeError(`where: the condition is ${condition.dtype}, not bool`);
    sameType('where', x, y);
    const shape = broadcast('where', broadcast('where', x.shape, y.shape), condition.shape);
    return this.one('SelectV2', { T: { type: x.dtype } }, [condition, x, y], shape, x.dtype);
  }
  /** From the first to the last. */
  addAll(values: readonly Value[]): Value {
    const [x, ...rest] = values;
    if (x === undefined) throw new TypeError('addAll: nothing to add');
    return rest.reduce((sum, y) => this.add(sum, y), x);
  }

  protected unary(op: string, x: Value, attrs: Attributes = { T: { type: x.dtype } }): Value {
    if (!isFloat(x.dtype) && op !== 'Neg' && op !== 'Square')
      throw new TypeError(`${op}: ${x.dtype} ${show(x.shape)} is not floating point`);
    return this.one(op, attrs, [x], x.shape, x.dtype);
  }

  protected binary(op: string, x: Value, y: Value, marks: Attributes = {}): Value {
    sameType(op, x, y);
    const attrs = { T: { type: x.dtype }, ...marks };
    return this.one(op, attrs, [x, y], broadcast(op, x.shape, y.shape), x.dtype);
  }
}

/** Operands of one operation have one dtype. */
export function sameType(op: string, x: Value, y: Value): void {
  if (x.dtype !== y.dtype)
    throw new TypeError(`${op}: ${x.dtype} ${show(x.shape)} with ${y.dtype} ${show(y.shape)}; cast one`);
}
