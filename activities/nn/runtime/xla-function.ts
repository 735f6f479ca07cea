/**
 * An entry point as one function that XLA compiles for its shapes when it first runs. Inputs and handles of variables are its
 * arguments, since XLA knows no placeholders and makes no variables; what it writes to variables is written when it ends.
 */
import type { Node, Value } from '../ops/node.ts';
import { typeCodes, writeEntry, writeNode } from './node-def.ts';
import type { Names } from './node-def.ts';
import type { ProtobufWriter } from './protobuf.ts';

/** An operation whose outputs are not known by name: in a function they are named as TensorFlow declares them. */
export class UnknownOutputs extends Error {
  override readonly name = 'UnknownOutputs';
}

/** Names of an operation's outputs, one a value; a single name in braces is that of a list. tensorflow/core/ops/*.cc */
const outputNames: Readonly<Record<string, readonly string[]>> = {
  AddV2: ['z'],
  ArgMax: ['output'],
  BatchMatMulV2: ['output'],
  BatchToSpaceND: ['output'],
  BiasAdd: ['output'],
  Bitcast: ['output'],
  BroadcastTo: ['output'],
  Cast: ['y'],
  ConcatV2: ['output'],
  Const: ['output'],
  Cos: ['y'],
  Cumsum: ['out'],
  Equal: ['z'],
  Erf: ['y'],
  Exp: ['y'],
  Fill: ['output'],
  GatherV2: ['output'],
  Greater: ['z'],
  GreaterEqual: ['z'],
  Identity: ['output'],
  Less: ['z'],
  LessEqual: ['z'],
  Log: ['y'],
  LogSoftmax: ['logsoftmax'],
  LogicalAnd: ['z'],
  LogicalOr: ['z'],
  MatMul: ['product'],
  Max: ['output'],
  Maximum: ['z'],
  Mean: ['output'],
  Minimum: ['z'],
  Mul: ['z'],
  Neg: ['y'],
  NotEqual: ['z'],
  Pad: ['output'],
  ReadVariableOp: ['value'],
  RealDiv: ['z'],
  Reshape: ['output'],
  ReverseV2: ['output'],
  Rsqrt: ['y'],
  SelectV2: ['output'],
  Sigmoid: ['y'],
  SigmoidGrad: ['z'],
  Sin: ['y'],
  Slice: ['output'],
  Softmax: ['softmax'],
  Sqrt: ['y'],
  Square: ['y'],
  StatelessRandomUniformV2: ['output'],
  StopGradient: ['output'],
  Sub: ['z'],
  Sum: ['output'],
  Tanh: ['y'],
  TensorScatterSub: ['output'],
  Transpose: ['y'],
  UnsortedSegmentSum: ['output'],
};

const outputName = ({ node, index }: Value): string => {
  if (node.op === 'SplitV' || node.op === 'Unpack') return `output:${index}`;
  const name = outputNames[node.op]?.[index];
  if (name === undefined)
    throw new UnknownOutputs(`output ${index} of ${node.op} has no name here: add it from TensorFlow's ops`);
  return `${name}:0`;
};

/** What a call hands to the function instead of computing it inside. */
const isArgument = (node: Node): boolean => node.op === 'Placeholder' || node.op === 'VarHandleOp';

export interface XlaFunction {
  readonly name: string;
  readonly nodes: readonly Node[];
  readonly outputs: readonly Value[];
}

const mustCompile = '_XlaMustCompile';

const argumentsOf = ({ nodes }: XlaFunction): Value[] =>
  nodes.filter(isArgument).flatMap(({ outputs }) => outputs);

/** tensorflow/core/framework/function.proto, FunctionDef */
export function writeFunction(to: ProtobufWriter, field: number, entry: XlaFunction): void {
  const args = argumentsOf(entry);
  const places = new Map(args.map(({ node }, i) => [node, `a${i}`]));
  const names: Names = {
    node: (node) => `n${node.id}`,
    value: (value) => places.get(value.node) ?? `n${value.node.id}:${outputName(value)}`,
  };
  const writeArgument = (under: number, name: string, { dtype }: Value): void =>
    to.message(under, () => {
      to.text(1, name);
      to.integer(3, typeCodes[dtype]);
    });
  to.message(field, () => {
    to.message(1, () => {
      to.text(1, entry.name);
      for (const [i, value] of args.entries()) writeArgument(2, `a${i}`, value);
      for (const [i, value] of entry.outputs.entries()) writeArgument(3, `r${i}`, value);
    });
    writeEntry(to, mustCompile, () => to.integer(5, 1));
    for (const node of entry.nodes) if (!isArgument(node)) writeNode(to, 3, node, names);
    for (const [i, value] of entry.outputs.entries())
      to.message(4, () => {
        to.text(1, `r${i}`);
        to.text(2, names.value(value));
      });
  });
}

/** The nodes outside of the function: its arguments, and one that calls it and has its outputs. */
export function writeCall(
  to: ProtobufWriter,
  field: number,
  call: string,
  entry: XlaFunction,
  names: Names,
): void {
  const args = argumentsOf(entry);
  for (const { node } of args) writeNode(to, field, node, names);
  const writeTypes = (values: readonly Value[]): void =>
    to.message(1, () => {
      for (const { dtype } of values) to.integer(6, typeCodes[dtype]);
    });
  to.message(field, () => {
    to.text(1, call);
    to.text(2, 'StatefulPartitionedCall');
    for (const value of args) to.text(3, names.value(value));
    writeEntry(to, 'Tin', () => writeTypes(args));
    writeEntry(to, 'Tout', () => writeTypes(entry.outputs));
    writeEntry(to, 'f', () => to.message(10, () => to.text(1, entry.name)));
    writeEntry(to, mustCompile, () => to.integer(5, 1));
  });
}
