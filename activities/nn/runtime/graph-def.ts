import type { Node, Value } from '../ops/node.ts';
import { typeCodes, writeNode, writeShape } from './node-def.ts';
import type { Names } from './node-def.ts';
import { ProtobufWriter } from './protobuf.ts';
import { isTranspose, writeTranspose } from './transpose-nodes.ts';
import { writeCall, writeFunction } from './xla-function.ts';

/** The public name of every value that is fed to an entry point and fetched from it. */
export interface Signature {
  readonly name: string;
  readonly inputs: Readonly<Record<string, Value>>;
  readonly outputs: Readonly<Record<string, Value>>;
}

export interface EntryPoint extends Signature {
  readonly nodes: readonly Node[];
  /** Compiled by XLA as a whole, or run node by node as traced. */
  readonly compiled: boolean;
}

/** The first graph version that has every operation used here. */
const producerVersion = 1087;

/** Nodes are numbered within their entry point: TensorFlow's rewriter depends on names, and the bits must not depend on which other entry points are there. */
const namesIn = (entry: string): Names => ({
  node: (node) => `${entry}/n${node.id}`,
  value: ({ node, index }) => `${entry}/n${node.id}${index === 0 ? '' : `:${index}`}`,
});

const callOf = (entry: string): string => `${entry}/call`;

const functionOf = ({ name, nodes, outputs }: EntryPoint) => ({
  name: `xla/${name}`,
  nodes,
  outputs: Object.values(outputs),
});

/** tensorflow/core/protobuf/meta_graph.proto, SignatureDef */
function writeSignature(to: ProtobufWriter, { name, inputs, outputs, compiled }: EntryPoint): void {
  const { node } = namesIn(name);
  const writeInfo = (field: number, key: string, value: Value, tensor: string): void =>
    to.message(field, () => {
      to.text(1, key);
      to.message(2, () => {
        to.text(1, tensor);
        to.integer(2, typeCodes[value.dtype]);
        writeShape(to, 3, value.shape);
      });
    });
  const tensorOf = (value: Value): string => `${node(value.node)}:${value.index}`;
  to.message(5, () => {
    to.text(1, name);
    to.message(2, () => {
      for (const [key, value] of Object.entries(inputs)) writeInfo(1, key, value, tensorOf(value));
      for (const [i, [key, value]] of Object.entries(outputs).entries())
        writeInfo(2, key, value, compiled ? `${callOf(name)}:${i}` : tensorOf(value));
      to.text(3, 'tensorflow/serving/predict');
    });
  });
}

/** tensorflow/core/framework/graph.proto, GraphDef */
function writeGraph(to: ProtobufWriter, field: number, entries: readonly EntryPoint[]): void {
  to.message(field, () => {
    for (const entry of entries) {
      const names = namesIn(entry.name);
      if (entry.compiled) writeCall(to, 1, callOf(entry.name), functionOf(entry), names);
      else
        for (const node of entry.nodes) (isTranspose(node) ? writeTranspose : writeNode)(to, 1, node, names);
    }
    to.message(4, () => to.integer(1, producerVersion));
    to.message(2, () => {
      for (const entry of entries) if (entry.compiled) writeFunction(to, 1, functionOf(entry));
    });
  });
}

/** A saved_model.pb with the tag `serve`: the graph of the given entry points and the signature of one. */
export function savedModel(graph: readonly EntryPoint[], signature: EntryPoint): Uint8Array {
  const to = new ProtobufWriter();
  to.integer(1, 1);
  to.message(2, () => {
    to.message(1, () => to.text(4, 'serve'));
    writeGraph(to, 2, graph);
    writeSignature(to, signature);
  });
  return to.finish();
}
