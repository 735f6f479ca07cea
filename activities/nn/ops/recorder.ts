import { processorLanes } from '../lanes.ts';
import type { DType, HostArray } from './dtype.ts';
import type { Attributes, Pullback, Node, Value } from './node.ts';
import { sameShape, ShapeError, show, sizeOf } from './shape.ts';
import type { Shape } from './shape.ts';

export type Signature = readonly [shape: Shape, dtype: DType];

/** What is there before anything is computed; it belongs to no segment. */
const givens: ReadonlySet<string> = new Set(['Placeholder', 'VarHandleOp', 'ReadVariableOp', 'Const']);

/** Records nodes: what is fed, what is constant, what stays with the session. The vocabulary is built on it. */
export class Recorder {
  readonly nodes: Node[] = [];
  readonly inputs = new Map<string, Value>();
  readonly variables = new Map<string, Value>();
  /** Names of variables that only entry points write and read. */
  readonly scratches = new Set<string>();
  /** Small constants, recorded once each. */
  readonly #constants = new Map<string, Value>();
  #segments = 0;
  #segment: number | undefined;

  /** Lanes that models cut their work into. */
  readonly lanes: number;

  constructor(lanes = processorLanes) {
    this.lanes = lanes;
  }

  /** What `build` records is one segment: a backward pass may keep what goes into it alone, and compute the rest again. */
  segment<T>(build: () => T): T {
    if (this.#segment !== undefined) return build();
    this.#segment = this.#segments++;
    try {
      return build();
    } finally {
      this.#segment = undefined;
    }
  }

  /** Records a node again, on other inputs and not before others have run. */
  repeat(node: Node, inputs: readonly Value[], control: readonly Node[]): Node {
    const outputs = node.outputs.map(({ shape, dtype }): Signature => [shape, dtype]);
    return this.record(node.op, node.attrs, inputs, outputs, [...node.control, ...control]);
  }

  /** The value itself, whose gradient with respect to `xs` is what `cotangents` makes of its own. */
  withPullback(y: Value, xs: readonly Value[], cotangents: Pullback['cotangents']): Value {
    const attrs = { T: { type: y.dtype } };
    return first(this.record('Identity', attrs, [y], [[y.shape, y.dtype]], [], { xs, cotangents }));
  }

  /** A value fed by name with every run. */
  input(name: string, shape: Shape, dtype: DType = 'float32'): Value {
    if (this.inputs.has(name)) throw new TypeError(`input "${name}" is declared twice`);
    const value = this.one('Placeholder', { dtype: { type: dtype }, shape: { shape } }, [], shape, dtype);
    this.inputs.set(name, value);
    return value;
  }

  /** State that stays with the session between runs, shared by name among the entry points of a program. */
  variable(name: string, shape: Shape, dtype: DType = 'float32'): Value {
    const known = this.variables.get(name);
    if (known !== undefined) {
      if (!sameShape(known.shape, shape) || known.dtype !== dtype)
        throw new ShapeError(
          `variable "${name}" is ${known.dtype} ${show(known.shape)}, asked for as ${dtype} ${show(shape)}`,
        );
      return known;
    }
    const attrs = {
      dtype: { type: dtype },
      shape: { shape },
      shared_name: { string: name },
      container: { string: '' },
    };
    const handle = this.one('VarHandleOp', attrs, [], [], 'resource');
    const value = this.one('ReadVariableOp', { dtype: { type: dtype } }, [handle], shape, dtype);
    this.variables.set(name, value);
    return value;
  }

  /** A variable that nothing outside of entry points sets or gets: caches, copies. */
  scratch(name: string, shape: Shape, dtype: DType = 'float32'): Value {
    this.scratches.add(name);
    return this.variable(name, shape, dtype);
  }

  /** Writes a variable; runs only where `after` lets a fetched value wait for it, and after the variable was read. */
  assign(variable: Value, x: Value): Node {
    const handle = variable.node.op === 'ReadVariableOp' ? variable.node.inputs[0] : undefined;
    if (handle === undefined) throw new TypeError(`assign: ${variable.node.op} is not a variable`);
    if (!sameShape(variable.shape, x.shape) || variable.dtype !== x.dtype)
      throw new ShapeError(
        `assign: ${x.dtype} ${show(x.shape)} to a variable of ${variable.dtype} ${show(variable.shape)}`,
      );
    return this.record('AssignVariableOp', { dtype: { type: x.dtype } }, [handle, x], [], [variable.node]);
  }

  /** Writes a variable that need not hold anything yet; nothing orders this against reads of it. */
  overwrite(variable: Value, x: Value): Node {
    if (!sameShape(variable.shape, x.shape) || variable.dtype !== x.dtype)
      throw new ShapeError(
        `overwrite: ${x.dtype} ${show(x.shape)} to a variable of ${variable.dtype} ${show(variable.shape)}`,
      );
    return this.record('AssignVariableOp', { dtype: { type: x.dtype } }, [...variable.node.inputs, x], []);
  }

  /** The value itself, available once the effects have run. */
  after(effects: readonly Node[], x: Value): Value {
    return first(this.record('Identity', { T: { type: x.dtype } }, [x], [[x.shape, x.dtype]], effects));
  }

  constant(data: HostArray, shape: Shape, dtype: DType): Value {
    if (data.length !== sizeOf(shape))
      throw new ShapeError(`constant: ${data.length} numbers for shape ${show(shape)}`);
    const key = data.length <= 64 ? `${dtype}:${shape.join()}:${data.join()}` : `#${this.nodes.length}`;
    const known = this.#constants.get(key);
    if (known !== undefined) return known;
    const value = this.one(
      'Const',
      { dtype: { type: dtype }, value: { tensor: { dtype, shape, data } } },
      [],
      shape,
      dtype,
    );
    this.#constants.set(key, value);
    return value;
  }

  ints(numbers: readonly number[], shape: Shape = [numbers.length]): Value {
    return this.constant(Int32Array.from(numbers), shape, 'int32');
  }

  floats(numbers: ArrayLike<number>, shape: Shape = [numbers.length]): Value {
    return this.constant(Float32Array.from(numbers), shape, 'float32');
  }

  /** A scalar of the given dtype. */
  scalar(number: number, dtype: DType = 'float32'): Value {
    return dtype === 'int32' ? this.ints([number], []) : this.cast(this.floats([number], []), dtype);
  }

  /** One number in every place of a shape. */
  full(shape: Shape, number: number, dtype: DType = 'float32'): Value {
    const attrs = { T: { type: dtype }, index_type: { type: 'int32' } } as const;
    return this.one('Fill', attrs, [this.ints(shape), this.scalar(number, dtype)], shape, dtype);
  }

  cast(x: Value, dtype: DType): Value {
    if (x.dtype === dtype) return x;
    const attrs = { SrcT: { type: x.dtype }, DstT: { type: dtype }, Truncate: { bool: false } };
    return this.one('Cast', attrs, [x], x.shape, dtype);
  }

  protected one(op: string, attrs: Attributes, inputs: readonly Value[], shape: Shape, dtype: DType): Value {
    return first(this.record(op, attrs, inputs, [[shape, dtype]]));
  }

  protected record(
    op: string,
    attrs: Attributes,
    inputs: readonly Value[],
    outputs: readonly Signature[],
    control: readonly Node[] = [],
    pullback?: Pullback,
  ): Node {
    const made: Value[] = [];
    const segment = givens.has(op) ? undefined : this.#segment;
    const known = pullback === undefined ? {} : { pullback };
    const node: Node = {
      id: this.nodes.length,
      op,
      attrs,
      inputs,
      outputs: made,
      control,
      segment,
      ...known,
    };
    for (const [index, [shape, dtype]] of outputs.entries()) made.push({ node, index, shape, dtype });
    this.nodes.push(node);
    return node;
  }
}

export function first(node: Node): Value {
  const [value] = node.outputs;
  if (value === undefined) throw new TypeError(`${node.op} has no output`);
  return value;
}
