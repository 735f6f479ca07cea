/**
 * How much memory a recorded graph takes as it runs: the most bytes of values that are held at once.
 *
 * Shapes are static, so that this is counting. Nodes run in the order in which they were recorded, and a value is held
 * until its last reader has run. What TensorFlow computes in the memory of an input that nobody else reads, or reads as
 * another shape, takes none. What stays between runs is not counted, nor is what a kernel takes for itself.
 */
import type { DType } from './dtype.ts';
import type { Node, Value } from './node.ts';
import { sizeOf } from './shape.ts';

const bytesOf: Readonly<Record<DType, number>> = {
  float32: 4,
  int32: 4,
  bool: 1,
  bfloat16: 2,
  uint64: 8,
  resource: 0,
};

/** Bytes of a value. */
export const byteSize = ({ shape, dtype }: Pick<Value, 'shape' | 'dtype'>): number =>
  sizeOf(shape) * bytesOf[dtype];

/** Operations whose output is their input's memory. */
const views: ReadonlySet<string> = new Set([
  'Bitcast',
  'Identity',
  'InplaceUpdate',
  'Reshape',
  'StopGradient',
]);

/** Operations that give what is held between runs. */
const givens: ReadonlySet<string> = new Set(['Const', 'ReadVariableOp', 'VarHandleOp']);

/** Operations that write over an input of the output's size where they are its last reader. */
const inPlace: ReadonlySet<string> = new Set([
  'AddV2',
  'BiasAdd',
  'Cos',
  'Cumsum',
  'Erf',
  'Exp',
  'Log',
  'LogSoftmax',
  'Maximum',
  'Minimum',
  'Mul',
  'Neg',
  'RealDiv',
  'Rsqrt',
  'SelectV2',
  'Sigmoid',
  'SigmoidGrad',
  'Sin',
  'Softmax',
  'Sqrt',
  'Square',
  'Sub',
  'Tanh',
  'TensorScatterSub',
]);

/** Memory of a value and of what is written over it or read from it in another shape. */
interface Buffer {
  readonly bytes: number;
  /** Reads to come. */
  readers: number;
}

/** The most bytes held at once while these nodes run in their order; outputs are held to the end. */
export function peakBytes(nodes: readonly Node[], outputs: Iterable<Value>): number {
  const reads = new Map<Value, number>();
  for (const value of [...nodes.flatMap(({ inputs }) => inputs), ...outputs])
    reads.set(value, (reads.get(value) ?? 0) + 1);
  // What is written to a variable becomes its memory.
  const written = new Set(nodes.filter(({ op }) => op === 'AssignVariableOp').map(({ inputs }) => inputs[1]));
  const buffers = new Map<Value, Buffer>();
  let [held, peak] = [0, 0];
  const release = (buffer: Buffer | undefined): void => {
    if (buffer === undefined) return;
    buffer.readers--;
    if (buffer.readers === 0) held -= buffer.bytes;
  };

  for (const node of nodes) {
    for (const value of node.outputs) {
      if (givens.has(node.op) || written.has(value)) continue;
      const readers = reads.get(value) ?? 0;
      const [from] = node.inputs;
      if (views.has(node.op) && from !== undefined && !buffers.has(from)) continue;
      const buffer = memoryOf(node, value, buffers) ?? { bytes: byteSize(value), readers: 0 };
      if (buffer.readers === 0) held += buffer.bytes;
      buffer.readers += Math.max(1, readers);
      buffers.set(value, buffer);
      peak = Math.max(peak, held);
    }
    for (const input of node.inputs) release(buffers.get(input));
    for (const value of node.outputs) if (!reads.has(value)) release(buffers.get(value));
  }
  return peak;
}

/** The memory of an input that a node puts an output into, where there is one. */
function memoryOf(node: Node, value: Value, buffers: ReadonlyMap<Value, Buffer>): Buffer | undefined {
  const [from] = node.inputs;
  if (views.has(node.op) && from !== undefined) return buffers.get(from);
  if (!inPlace.has(node.op)) return undefined;
  const own = node.inputs.flatMap((input) => buffers.get(input) ?? []);
  return own.find(
    (buffer) =>
      buffer.bytes === byteSize(value) && buffer.readers === own.filter((other) => other === buffer).length,
  );
}
