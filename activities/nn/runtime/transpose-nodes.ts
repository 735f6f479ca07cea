import type { Node } from '../ops/node.ts';
import { typeCodes, writeEntry } from './node-def.ts';
import type { Names } from './node-def.ts';
import type { ProtobufWriter } from './protobuf.ts';

/** Integers of a dtype's width; tensorflow/core/framework/types.proto */
const integerCodes: ReadonlyMap<string, number> = new Map([
  ['float32', typeCodes.int32],
  ['bfloat16', 5],
]);

/** Whether a node is to be written by `writeTranspose`. */
export const isTranspose = ({ op, outputs: [y] }: Node): boolean =>
  op === 'Transpose' && y !== undefined && integerCodes.has(y.dtype);

/**
 * A transposition of floating-point numbers as one of their bits. TensorFlow hands one of numbers to oneDNN, which takes 50 µs and more
 * to begin, and moves integers itself: two to four times as fast for the sizes of a decoding step, and for those of a training step.
 */
export function writeTranspose(to: ProtobufWriter, field: number, node: Node, names: Names): void {
  const [[x, permutation], [y]] = [node.inputs, node.outputs];
  if (x === undefined || permutation === undefined || y === undefined)
    throw new TypeError('a transposition has two inputs and an output');
  const [float, integer] = [typeCodes[y.dtype], integerCodes.get(y.dtype) ?? 0];
  const name = names.node(node);
  const write = (part: string, op: string, inputs: readonly string[], types: Record<string, number>): void =>
    to.message(field, () => {
      to.text(1, part);
      to.text(2, op);
      for (const input of inputs) to.text(3, input);
      for (const [key, code] of Object.entries(types)) writeEntry(to, key, () => to.integer(6, code));
    });
  const waits = node.control.map((before) => `^${names.node(before)}`);
  write(`${name}/bits`, 'Bitcast', [names.value(x), ...waits], { T: float, type: integer });
  write(`${name}/moved`, 'Transpose', [`${name}/bits`, names.value(permutation)], {
    T: integer,
    Tperm: typeCodes.int32,
  });
  write(name, 'Bitcast', [`${name}/moved`], { T: integer, type: float });
}
