import type { DType } from '../ops/dtype.ts';
import type { Attribute, Node, Value } from '../ops/node.ts';
import type { Shape } from '../ops/shape.ts';
import type { ProtobufWriter } from './protobuf.ts';

/** tensorflow/core/framework/types.proto */
export const typeCodes: Readonly<Record<DType, number>> = {
  float32: 1,
  int32: 3,
  bool: 10,
  bfloat16: 14,
  resource: 20,
  uint64: 23,
};

/** How nodes and their values are called where they are written: in the graph and in functions differently. */
export interface Names {
  readonly node: (node: Node) => string;
  readonly value: (value: Value) => string;
}

export function writeShape(to: ProtobufWriter, field: number, shape: Shape): void {
  to.message(field, () => {
    for (const size of shape) to.message(2, () => to.integer(1, size));
  });
}

/** tensorflow/core/framework/attr_value.proto */
function writeAttributeValue(to: ProtobufWriter, attribute: Attribute): void {
  if ('type' in attribute) return to.integer(6, typeCodes[attribute.type]);
  if ('shape' in attribute) return writeShape(to, 7, attribute.shape);
  if ('bool' in attribute) return to.integer(5, attribute.bool ? 1 : 0);
  if ('int' in attribute) return to.integer(3, attribute.int);
  if ('string' in attribute) return to.text(2, attribute.string);
  const { dtype, shape, data } = attribute.tensor;
  to.message(8, () => {
    to.integer(1, typeCodes[dtype]);
    writeShape(to, 2, shape);
    to.data(4, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  });
}

/** One entry of a map from names to attributes; `write` writes the attribute's value. */
export function writeEntry(to: ProtobufWriter, key: string, write: () => void): void {
  to.message(5, () => {
    to.text(1, key);
    to.message(2, write);
  });
}

/** tensorflow/core/framework/node_def.proto */
export function writeNode(to: ProtobufWriter, field: number, node: Node, names: Names): void {
  to.message(field, () => {
    to.text(1, names.node(node));
    to.text(2, node.op);
    for (const value of node.inputs) to.text(3, names.value(value));
    for (const before of node.control) to.text(3, `^${names.node(before)}`);
    for (const [key, attribute] of Object.entries(node.attrs))
      writeEntry(to, key, () => writeAttributeValue(to, attribute));
  });
}
