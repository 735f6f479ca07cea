/**
 * Losses over label places, in chunks of places, each with its gradient at once: one for each lane, or more where all logits at
 * once would be too many, so that neither the forward nor the backward pass holds more than one chunk's a lane. Nothing is computed
 * twice.
 *
 * Legend: M label places, V vocabulary.
 * Reference: Hsu et al. 2024 (Liger kernels), https://arxiv.org/abs/2410.10989 §3.3, here for any loss that is a sum over
 * places.
 */
import { laneSizes } from '../lanes.ts';
import { gradient } from '../ops/gradient.ts';
import type { Node, Value } from '../ops/node.ts';
import type { Trace } from '../ops/trace.ts';

/** Logits that are held at once: 256 MB in float32. */
const LOGITS_AT_ONCE = 2 ** 26;

/** Sizes of the chunks for M label places, as equal as may be: one a lane where all logits fit. */
export const labelChunks = (
  labels: number,
  vocabulary: number,
  lanes: number,
  atOnce = LOGITS_AT_ONCE,
): number[] => (labels === 0 ? [] : laneSizes(labels, lanes * Math.ceil((labels * vocabulary) / atOnce)));

/** A chunk's part of a value whose first dimension is M. */
export type PartOf = (value: Value) => Value;

/** What a loss over label places depends on and is differentiated by. */
export interface LossVariables {
  /** [M, …] each. */
  readonly rows: readonly Value[];
  /** The same for all places, as a trained output table is. */
  readonly shared: readonly Value[];
}

/**
 * Builds what `build` says chunk by chunk. Scalars among its outputs are sums over places and are added up, `loss` among
 * them, whose gradient flows to `by` and nowhere else; others, [m, …], are laid one after another. With one chunk this is
 * `build` itself.
 */
export const overLabels = <K extends string>(
  t: Trace,
  chunks: readonly number[],
  by: LossVariables,
  build: (part: PartOf) => Readonly<Record<K | 'loss', Value>>,
): Record<K | 'loss', Value> => {
  if (chunks.length <= 1) return build((value) => value);
  const found: Readonly<Record<K | 'loss', Value>>[] = [];
  const rowGradients: Value[][] = [];
  let sharedGradients: Value[] | undefined;
  /** What each chunk computes; the next chunk of its lane waits for it. */
  const done: Node[][] = [];
  let from = 0;
  for (const size of chunks) {
    const parts = new Map<Value, Value>();
    const start = from;
    const before = done.at(-t.lanes) ?? [];
    const part = (value: Value): Value => {
      const rest = value.shape.slice(1);
      const cut = (): Value => t.slice(value, [start, ...rest.map(() => 0)], [size, ...rest]);
      const known = parts.get(value) ?? t.after(before, cut());
      parts.set(value, known);
      return known;
    };
    const outputs = build(part);
    const gs = gradient(t, outputs.loss, [...by.rows.map(part), ...by.shared]);
    const [own, shared] = [gs.slice(0, by.rows.length), gs.slice(by.rows.length)];
    sharedGradients = shared.map((g, i) => (sharedGradients?.[i] ? t.add(sharedGradients[i], g) : g));
    rowGradients.push(own);
    found.push(outputs);
    done.push([...Object.values<Value>(outputs), ...own, ...sharedGradients].map((value) => value.node));
    from += size;
  }
  const joined = Object.fromEntries(
    Object.keys(found[0] ?? {}).map((name) => {
      const values = found.map((outputs) => outputs[name as K]);
      return [name, values[0]?.shape.length === 0 ? t.addAll(values) : t.concat(values, 0)];
    }),
  ) as Record<K | 'loss', Value>;
  const gradients = [
    ...by.rows.map((_, i) =>
      t.concat(
        rowGradients.map((gs) => gs[i] as Value),
        0,
      ),
    ),
    ...(sharedGradients ?? []),
  ];
  const loss = t.withPullback(joined.loss, [...by.rows, ...by.shared], (g) =>
    gradients.map((of) => t.mul(of, g)),
  );
  return { ...joined, loss };
};
