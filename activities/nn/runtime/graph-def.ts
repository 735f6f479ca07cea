import type { DType } from '../ops/dtype.ts';
import type { Attribute, Node, Value } from '../ops/node.ts';
import type { Shape } from '../ops/shape.ts';
import { ProtobufWriter } from './protobuf.ts';

/** Nodes of one entry point with the names they take in the graph. */
export interface NamedNodes {
  readonly entry: string;
  readonly nodes: readonly Node[];
}

/** A signature: the public name of every fed and fetched value. */
export interface Signature {
  readonly name: string;
  readonly inputs: Readonly<Record<string, Value>>;
  readonly outputs: Readonly<Record<string, Value>>;
}

/** tensorflow/core/framework/types.proto */
const typeCodes: Readonly<Record<DType, number>> = {
  float32: 1,
  int32: 3,
  bool: 10,
  bfloat16: 14,
  resource: 20,
  uint64: 23,
};

/** The first graph version that has every operation used here. */
const producerVersion = 1087;

/** Nodes are numbered within their entry point: TensorFlow's rewriter depends on names, and the bits must not depend on which other entry points are there. */
const nodeName = (entry: string, node: Node): string => `${entry}/n${node.id}`;

const valueName = (entry: string, value: Value): string =>
  value.index === 0 ? nodeName(entry, value.node) : `${nodeName(entry, value.node)}:${value.index}`;

function writeShape(to: ProtobufWriter, field: number, shape: Shape): void {
  to.message(field, () => {
    for (const size of shape) to.message(2, () => to.integer(1, size));
  });
}

/** tensorflow/core/framework/attr_value.proto */
function writeAttribute(to: ProtobufWriter, attribute: Attribute): void {
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

/** tensorflow/core/framework/node_def.proto */
function writeNode(to: ProtobufWriter, entry: string, node: Node): void {
  to.message(1, () => {
    to.text(1, nodeName(entry, node));
    to.text(2, node.op);
    for (const value of node.inputs) to.text(3, valueName(entry, value));
    for (const before of node.control) to.text(3, `^${nodeName(entry, before)}`);
    for (const [key, attribute] of Object.entries(node.attrs))
      to.message(5, () => {
        to.text(1, key);
        to.message(2, () => writeAttribute(to, attribute));
      });
  });
}

/** tensorflow/core/protobuf/meta_graph.proto, SignatureDef */
function writeSignature(to: ProtobufWriter, { name, inputs, outputs }: Signature): void {
  const writeInfo = (field: number, key: string, value: Value): void =>
    to.message(field, () => {
      to.text(1, key);
      to.message(2, () => {
        to.text(1, `${nodeName(name, value.node)}:${value.index}`);
        to.integer(2, typeCodes[value.dtype]);
        writeShape(to, 3, value.shape);
      });
    });
  to.message(5, () => {
    to.text(1, name);
    to.message(2, () => {
      for (const [key, value] of Object.entries(inputs)) writeInfo(1, key, value);
      for (const [key, value] of Object.entries(outputs)) writeInfo(2, key, value);
      to.text(3, 'tensorflow/serving/predict');
    });
  });
}

/** A saved_model.pb with the tag `serve`: the nodes of all entry points and the given signatures. */
export function savedModel(graph: readonly NamedNodes[], signatures: readonly Signature[]): Uint8Array {
  const to = new ProtobufWriter();
  to.integer(1, 1);
  to.message(2, () => {
    to.message(1, () => to.text(4, 'serve'));
    to.message(2, () => {
      for (const { entry, nodes } of graph) for (const node of nodes) writeNode(to, entry, node);
      to.message(4, () => to.integer(1, producerVersion));
    });
    for (const signature of signatures) writeSignature(to, signature);
  });
  return to.finish();
}
