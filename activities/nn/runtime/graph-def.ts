import type { Node, Value } from '../ops/node.ts';
import { writeNode } from './node-def.ts';
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

/** What a session feeds and fetches by the public names of an entry point. */
export function tensorNames({ name, inputs, outputs, compiled }: EntryPoint): {
  readonly inputs: ReadonlyMap<string, string>;
  readonly outputs: ReadonlyMap<string, string>;
} {
  const { node } = namesIn(name);
  const tensorOf = (value: Value): string => `${node(value.node)}:${value.index}`;
  const values = Object.entries(outputs);
  return {
    inputs: new Map(Object.entries(inputs).map(([key, value]) => [key, tensorOf(value)])),
    outputs: new Map(
      values.map(([key, value], i) => [key, compiled ? `${callOf(name)}:${i}` : tensorOf(value)]),
    ),
  };
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

/** A saved_model.pb with the tag `serve`: the graph of entry points, whose tensors are known by their names. */
export function savedModel(entries: readonly EntryPoint[]): Uint8Array {
  const to = new ProtobufWriter();
  to.integer(1, 1);
  to.message(2, () => {
    to.message(1, () => to.text(4, 'serve'));
    writeGraph(to, 2, entries);
  });
  return to.finish();
}
