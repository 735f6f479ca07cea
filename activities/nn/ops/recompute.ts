import type { Node, Value } from './node.ts';
import type { Trace } from './trace.ts';

/**
 * Segments computed again for a backward pass, so that of each only its inputs are kept.
 *
 * A segment's nodes are recorded once more as rules ask for them. Those that read what is outside of the segment wait for
 * its gate: without one, TensorFlow's rewriter would find them equal to the first ones and merge them. The gate opens when
 * the first cotangent has come to the segment and those that the segment before it in the backward pass gives are there:
 * one segment is held at a time.
 *
 * Reference: Chen et al. 2016, https://arxiv.org/abs/1604.06174.
 */
export class Recomputation {
  readonly #trace: Trace;
  readonly #copies = new Map<Node, Node>();
  readonly #gates = new Map<number, Node>();
  /** Cotangents that the segment entered last has given. */
  #given: Node[] = [];

  constructor(t: Trace) {
    this.#trace = t;
  }

  /** The node with what it was computed from computed again; `g` is a cotangent that has come to it. */
  view(node: Node, g: Value): Node {
    const { segment } = node;
    if (segment === undefined) return node;
    if (!this.#gates.has(segment)) {
      this.#gates.set(segment, this.#trace.after(this.#given, g).node);
      this.#given = [];
    }
    const again = (value: Value): Value => this.#again(value, segment);
    return {
      ...node,
      inputs: node.inputs.map(again),
      get outputs() {
        return node.outputs.map(again);
      },
    };
  }

  /** Told of the cotangent that a node gives to one of its inputs. */
  give(node: Node, input: Value, cotangent: Value): void {
    if (node.segment !== undefined && input.node.segment !== node.segment) this.#given.push(cotangent.node);
  }

  #again(value: Value, segment: number): Value {
    const { node, index } = value;
    if (node.segment !== segment) return value;
    let copy = this.#copies.get(node);
    if (copy === undefined) {
      const inputs = node.inputs.map((input) => this.#again(input, segment));
      copy = inputs.every((input) => this.#isConstant(input)) ? node : this.#repeat(node, inputs, segment);
      this.#copies.set(node, copy);
    }
    return copy.outputs[index] ?? value;
  }

  #repeat(node: Node, inputs: readonly Value[], segment: number): Node {
    const gate = this.#gates.get(segment);
    const reads = inputs.some((input, i) => input === node.inputs[i] && !this.#isConstant(input));
    return this.#trace.repeat(node, inputs, gate !== undefined && reads ? [gate] : []);
  }

  /** Constants, and what is computed of constants alone, are not worth computing again. */
  #isConstant({ node }: Value): boolean {
    return node.op === 'Const' || this.#copies.get(node) === node;
  }
}
