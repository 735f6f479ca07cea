import { isFloat } from './dtype.ts';
import type { Node, Value } from './node.ts';
import { Recomputation } from './recompute.ts';
import { rules } from './rules.ts';
import { sameShape, ShapeError, show } from './shape.ts';
import type { Trace } from './trace.ts';

/** A gradient has to flow through an operation that has no rule. */
export class NoGradientRule extends Error {
  override readonly name = 'NoGradientRule';
}

/**
 * The gradient of a scalar with respect to each of `xs`, recorded in the same trace: reverse mode, one rule an operation.
 * Only paths that lead from one of `xs` to `y` are followed, so what is frozen costs nothing. Where there is none, zeros.
 * With `recompute` what is needed of a segment's inside is computed again instead of kept.
 */
export function gradient(
  t: Trace,
  y: Value,
  xs: readonly Value[],
  { recompute = false }: { readonly recompute?: boolean } = {},
): Value[] {
  if (y.shape.length > 0)
    throw new ShapeError(`gradient: of a value of shape ${show(y.shape)}, not of a scalar`);
  const before = t.nodes.slice(0, y.node.id + 1);
  const leads = nodesFrom(before, xs);
  const wanted = new Set(xs.map((x) => x.node));
  const recomputation = recompute ? new Recomputation(t) : undefined;
  const cotangents = new Cotangents();
  cotangents.add(y, t.scalar(1, y.dtype));

  for (const node of before.reverse()) {
    if (!leads.has(node) || wanted.has(node)) continue;
    const gs = node.outputs.map((value) => cotangents.total(t, value));
    const [first] = node.outputs;
    const arrived = gs.find((g) => g !== undefined);
    if (first === undefined || arrived === undefined) continue;
    if (node.pullback !== undefined) {
      const { xs } = node.pullback;
      for (const [i, cotangent] of node.pullback.cotangents(arrived).entries()) {
        const x = xs[i];
        if (x === undefined || !sameShape(x.shape, cotangent.shape))
          throw new ShapeError(`pullback: ${show(cotangent.shape)} for ${show(x?.shape ?? [])}`);
        if (leads.has(x.node)) cotangents.add(x, cotangent);
      }
      continue;
    }
    const rule = rules[node.op];
    if (rule === undefined)
      throw new NoGradientRule(`no gradient rule for ${node.op} on the way to ${show(first.shape)}`);
    const needs = node.inputs.map((value) => leads.has(value.node) && isFloat(value.dtype));
    const g = gs[0] ?? t.full(first.shape, 0, first.dtype);
    const seen = recomputation?.view(node, arrived) ?? node;
    const found = rule(t, { node: seen, g, cotangents: gs, needs });
    for (const [i, value] of node.inputs.entries()) {
      const cotangent = found[i];
      if (needs[i] !== true || !cotangent) continue;
      cotangents.add(value, cotangent);
      recomputation?.give(node, value, cotangent);
    }
  }
  return xs.map((x) => cotangents.total(t, x) ?? t.full(x.shape, 0, x.dtype));
}

/** The nodes a change of one of `xs` reaches through floating-point values. */
function nodesFrom(nodes: readonly Node[], xs: readonly Value[]): Set<Node> {
  const reached = new Set(xs.map((x) => x.node));
  for (const node of nodes) {
    if (node.op === 'StopGradient' || !node.outputs.some((value) => isFloat(value.dtype))) continue;
    const reads = node.pullback?.xs ?? node.inputs;
    if (reads.some((value) => reached.has(value.node) && isFloat(value.dtype))) reached.add(node);
  }
  return reached;
}

/** Cotangents that arrive at each value, added up when they are asked for. */
class Cotangents {
  readonly #parts = new Map<Value, Value[]>();

  add(value: Value, part: Value): void {
    const parts = this.#parts.get(value);
    if (parts === undefined) this.#parts.set(value, [part]);
    else parts.push(part);
  }

  /** Full-sized parts are added at once, smaller ones by broadcasting, so that a mean's cotangent is rarely spread out. */
  total(t: Trace, value: Value): Value | undefined {
    const parts = this.#parts.get(value);
    if (parts === undefined) return undefined;
    const full = parts.filter((part) => sameShape(part.shape, value.shape));
    const small = parts.filter((part) => !sameShape(part.shape, value.shape));
    const [g, ...rest] = full.length > 0 ? [t.addAll(full), ...small] : small;
    if (g === undefined) return undefined;
    const sum = t.broadcastTo(
      rest.reduce((total, part) => t.add(total, part), g),
      value.shape,
    );
    this.#parts.set(value, [sum]);
    return sum;
  }
}
