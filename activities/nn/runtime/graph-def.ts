import type { DType } from '../ops/dtype.ts';
import type { Attribute, Node, Value } from '../ops/node.ts';
import type { Shape } from '../ops/shape.ts';
import { concatBytes, integer, message, text } from './protobuf.ts';
import type { Bytes } from './protobuf.ts';

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
};

/** The first graph version that has every operation used here. */
const producerVersion = 1087;

/** Nodes are numbered within their entry point: TensorFlow's rewriter depends on names, and the bits must not depend on which other entry points are there. */
const nodeName = (entry: string, node: Node): string => `${entry}/n${node.id}`;

const valueName = (entry: string, value: Value): string =>
  value.index === 0 ? nodeName(entry, value.node) : `${nodeName(entry, value.node)}:${value.index}`;

const shapeProto = (shape: Shape): Bytes => concatBytes(shape.map((size) => message(2, integer(1, size))));

/** tensorflow/core/framework/attr_value.proto */
function attributeProto(attribute: Attribute): Bytes {
  if ('type' in attribute) return integer(6, typeCodes[attribute.type]);
  if ('shape' in attribute) return message(7, shapeProto(attribute.shape));
  if ('bool' in attribute) return integer(5, attribute.bool ? 1 : 0);
  if ('int' in attribute) return integer(3, attribute.int);
  if ('string' in attribute) return text(2, attribute.string);
  const { dtype, shape, data } = attribute.tensor;
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return message(8, integer(1, typeCodes[dtype]), message(2, shapeProto(shape)), message(4, bytes));
}

/** tensorflow/core/framework/node_def.proto */
function nodeProto(entry: string, node: Node): Bytes {
  const inputs = [
    ...node.inputs.map((value) => valueName(entry, value)),
    ...node.control.map((before) => `^${nodeName(entry, before)}`),
  ];
  return message(
    1,
    text(1, nodeName(entry, node)),
    text(2, node.op),
    ...inputs.map((name) => text(3, name)),
    ...Object.entries(node.attrs).map(([key, attribute]) =>
      message(5, text(1, key), message(2, attributeProto(attribute))),
    ),
  );
}

function signatureProto({ name, inputs, outputs }: Signature): Bytes {
  const entry = ([key, value]: [string, Value]): Bytes[] => [
    text(1, key),
    message(
      2,
      text(1, `${nodeName(name, value.node)}:${value.index}`),
      integer(2, typeCodes[value.dtype]),
      message(3, shapeProto(value.shape)),
    ),
  ];
  return message(
    5,
    text(1, name),
    message(
      2,
      ...Object.entries(inputs).map((pair) => message(1, ...entry(pair))),
      ...Object.entries(outputs).map((pair) => message(2, ...entry(pair))),
      text(3, 'tensorflow/serving/predict'),
    ),
  );
}

/** A saved_model.pb with the tag `serve`: the nodes of all entry points and the given signatures. */
export function savedModel(graph: readonly NamedNodes[], signatures: readonly Signature[]): Bytes {
  const nodes = graph.flatMap(({ entry, nodes }) => nodes.map((node) => nodeProto(entry, node)));
  const graphDef = message(2, ...nodes, message(4, integer(1, producerVersion)));
  const metaGraph = message(2, message(1, text(4, 'serve')), graphDef, ...signatures.map(signatureProto));
  return concatBytes([integer(1, 1), metaGraph]);
}
