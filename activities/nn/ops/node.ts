import type { DType, HostArray } from './dtype.ts';
import type { Shape } from './shape.ts';

/** An attribute of a TensorFlow operation, tagged by its kind. */
export type Attribute =
  | { readonly type: DType }
  | { readonly shape: Shape }
  | { readonly tensor: { readonly dtype: DType; readonly shape: Shape; readonly data: HostArray } }
  | { readonly bool: boolean }
  | { readonly int: number }
  | { readonly string: string };

export type Attributes = Readonly<Record<string, Attribute>>;

/** One recorded operation. `op` and the names in `attrs` are TensorFlow's. */
export interface Node {
  readonly id: number;
  readonly op: string;
  readonly attrs: Attributes;
  readonly inputs: readonly Value[];
  readonly outputs: readonly Value[];
  /** Nodes that run before this one although no value flows. */
  readonly control: readonly Node[];
  /** The segment it was recorded in: what a backward pass may compute again as a whole. */
  readonly segment: number | undefined;
  /** Of a value whose gradient is known: it is taken instead of the operation's rule, and the inputs are not looked at. */
  readonly pullback?: Pullback;
}

/** Takes the cotangent of a value to those of what it was computed from. */
export interface Pullback {
  readonly xs: readonly Value[];
  /** Of each of `xs`, in its shape. */
  cotangents(g: Value): readonly Value[];
}

/** One output of a node. */
export interface Value {
  readonly node: Node;
  readonly index: number;
  readonly shape: Shape;
  readonly dtype: DType;
}

/** The numbers of a value that is a constant; rules read axes, sizes and permutations this way. */
export function constantOf(value: Value | undefined): number[] {
  const attribute = value?.node.attrs['value'];
  if (value?.node.op !== 'Const' || attribute === undefined || !('tensor' in attribute))
    throw new TypeError(`expected a constant, found ${value?.node.op ?? 'nothing'}`);
  return [...attribute.tensor.data];
}

export function booleanOf(node: Node, name: string): boolean {
  const attribute = node.attrs[name];
  if (attribute === undefined || !('bool' in attribute))
    throw new TypeError(`${node.op} has no boolean ${name}`);
  return attribute.bool;
}

/** The nodes that the outputs depend on, in recorded order. */
export function liveNodes(nodes: readonly Node[], outputs: readonly Value[]): Node[] {
  const live = new Set<Node>();
  const pending = outputs.map((value) => value.node);
  for (let node = pending.pop(); node !== undefined; node = pending.pop()) {
    if (live.has(node)) continue;
    live.add(node);
    for (const input of node.inputs) pending.push(input.node);
    pending.push(...node.control);
  }
  return nodes.filter((node) => live.has(node));
}
