/**
 * How much memory a recorded graph takes as it runs: the most bytes of values that are held at once.
 *
 * Shapes are static, so that this is counting. Nodes run as TensorFlow's executor takes them: one when all that it waits
 * for is there, those that waited longest first. A value is held from when its node has run until its last reader has.
 * What TensorFlow computes in the memory of an input that nobody else reads, or reads as another shape, takes none. What
 * stays between runs, variables and constants, is not counted, nor is what a kernel takes for itself.
 */
import type { Node, Value } from './node.ts';
import type { DType } from './dtype.ts';
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

/** Operations whose output is their first input's memory. */
const views: ReadonlySet<string> = new Set(['Reshape', 'Identity', 'StopGradient', 'Bitcast']);

/** Operations without memory of their own: what they give is held between runs. */
const held: ReadonlySet<string> = new Set(['VarHandleOp', 'ReadVariableOp', 'Const']);

/** Operations that write over an input of the output's size where they are its last reader. */
const inPlace: ReadonlySet<string> = new Set([
  'AddN',
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

/** Memory of a value and of everything that is a view of it. */
interface Buffer {
  readonly bytes: number;
  /** Reads that are still to come. */
  readers: number;
}

/** The most bytes that are held at once while these nodes run; `outputs` are held to the end. */
export function peakBytes(nodes: readonly Node[], outputs: Iterable<Value>): number {
  const among = new Set(nodes);
  const before = (node: Node): Node[] =>
    [...node.inputs.map((value) => value.node), ...node.control].filter((one) => among.has(one));
  const after = new Map<Node, Node[]>(nodes.map((node) => [node, []]));
  const waits = new Map<Node, number>();
  for (const node of nodes) {
    const needs = before(node);
    waits.set(node, needs.length);
    for (const one of needs) after.get(one)?.push(node);
  }
  const reads = new Map<Value, number>();
  const read = (value: Value): void => void reads.set(value, (reads.get(value) ?? 0) + 1);
  for (const node of nodes) node.inputs.forEach(read);
  for (const value of outputs) read(value);

  const buffers = new Map<Value, Buffer>();
  let [now, peak] = [0, 0];
  const release = (value: Value): void => {
    const buffer = buffers.get(value);
    if (buffer === undefined) return;
    buffer.readers--;
    if (buffer.readers === 0) now -= buffer.bytes;
  };
  /** The memory that a node's first output is put into, where it needs none of its own. */
  const taken = (node: Node, value: Value): Buffer | undefined => {
    if (views.has(node.op)) return node.inputs[0] && buffers.get(node.inputs[0]);
    if (!inPlace.has(node.op)) return undefined;
    const bytes = byteSize(value);
    const free = node.inputs.find((input) => {
      const buffer = buffers.get(input);
      return (
        buffer?.bytes === bytes &&
        buffer.readers === node.inputs.filter((x) => buffers.get(x) === buffer).length
      );
    });
    return free && buffers.get(free);
  };
  const assigned = new Set(
    nodes.filter(({ op }) => op === 'AssignVariableOp').map(({ inputs }) => inputs[1]),
  );
  const run = (node: Node): void => {
    for (const value of node.outputs) {
      const readers = reads.get(value) ?? 0;
      if (
        assigned.has(value) ||
        held.has(node.op) ||
        (views.has(node.op) && !buffers.has(node.inputs[0] as Value))
      )
        continue;
      const shared = value.index === 0 ? taken(node, value) : undefined;
      if (shared !== undefined) {
        shared.readers += readers;
        buffers.set(value, shared);
      } else {
        const bytes = byteSize(value);
        now += bytes;
        if (readers > 0) buffers.set(value, { bytes, readers });
        peak = Math.max(peak, now);
        if (readers === 0) now -= bytes;
      }
    }
    node.inputs.forEach(release);
  };

  const ready = nodes.filter((node) => waits.get(node) === 0);
  for (let i = 0; i < ready.length; i++) {
    const node = ready[i] as Node;
    run(node);
    for (const next of after.get(node) ?? []) {
      const left = (waits.get(next) ?? 0) - 1;
      waits.set(next, left);
      if (left === 0) ready.push(next);
    }
  }
  return peak;
}
