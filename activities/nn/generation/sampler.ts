import { masked } from '../models/attention.ts';
import type { Value } from '../ops/node.ts';
import { dim } from '../ops/shape.ts';
import type { Trace } from '../ops/trace.ts';

export interface SamplerInputs {
  /** Reciprocal of the temperature, a scalar. */
  readonly inverseTemperature: Value;
  /** [R] numbers in (0, 1). */
  readonly uniforms: Value;
}

/** [V], 1 for tokens that may be drawn and 0 for those that may not. */
function allowance(t: Trace, vocabulary: number, suppressed: readonly number[]): Value {
  const allowed = new Float32Array(vocabulary).fill(1);
  for (const token of suppressed) allowed[token] = 0;
  return t.constant(allowed, [vocabulary], 'float32');
}

/** The most likely token of each row, the first of equals: logits [R, V] → [R] int32. */
export function greedy(t: Trace, logits: Value, suppressed: readonly number[]): Value {
  const allowed = allowance(t, logits.shape[1] ?? 0, suppressed);
  const penalty = t.scale(t.sub(allowed, t.scalar(1)), -masked);
  return t.argmax(t.add(logits, penalty));
}

/** Neighbouring tokens whose probabilities are summed before any is looked at alone; real vocabularies are multiples of it. */
const block = 128;

/**
 * A token drawn from softmax(logits / temperature): the first whose cumulative probability reaches the uniform number. With it its
 * log-probability in nats, by the softmax over all tokens, suppressed ones too, which is the one a policy is trained by.
 *
 * The block is found first, then the token in it, since a running sum over a whole vocabulary is the work of one thread. The number
 * is above 0 and is scaled by last sums, so that neither a suppressed token nor one behind the last is hit.
 * Shapes: logits [R, V] → tokens [R] int32, logps [R].
 */
export function sample(
  t: Trace,
  logits: Value,
  suppressed: readonly number[],
  inputs: SamplerInputs,
): { readonly tokens: Value; readonly logps: Value } {
  const [R = 0, V = 0] = logits.shape;
  const scaled = t.mul(logits, inputs.inverseTemperature);
  const shifted = t.sub(scaled, t.max(scaled, [1], true));
  const odds = t.exp(shifted);
  const allowed = t.mul(odds, allowance(t, V, suppressed));
  const blocks = Math.ceil(V / block);
  const full =
    blocks * block === V
      ? allowed
      : t.pad(allowed, [
          [0, 0],
          [0, blocks * block - V],
        ]);
  const parts = t.reshape(full, [R * blocks, block]);
  const ends = t.cumsum(t.reshape(t.sum(parts, [1]), [R, blocks]), 1);
  const threshold = t.mul(t.reshape(inputs.uniforms, [R, 1]), column(t, ends, blocks - 1));
  const chosen = firstReaching(t, ends, threshold);
  const at = t.add(chosen, t.ints(Array.from({ length: R }, (_, r) => r * blocks)));
  const inside = t.cumsum(t.gather(parts, at), 1); // [R, block]
  const starts = t.pad(t.slice(ends, [0, 0], [R, blocks - 1]), [
    [0, 0],
    [1, 0],
  ]);
  const ofChosen = (x: Value): Value => t.reshape(t.gather(t.reshape(x, [R * blocks]), at), [R, 1]);
  const start = ofChosen(starts);
  const share = t.div(t.sub(threshold, start), t.sub(ofChosen(ends), start));
  const offset = firstReaching(t, inside, t.mul(share, column(t, inside, block - 1)));
  const tokens = t.minimum(t.add(t.mul(chosen, t.scalar(block, 'int32')), offset), t.scalar(V - 1, 'int32'));
  const places = t.add(tokens, t.ints(Array.from({ length: R }, (_, r) => r * V)));
  const logit = t.gather(t.reshape(shifted, [R * V]), places);
  return { tokens, logps: t.sub(logit, t.log(t.sum(odds, [1]))) };
}

const column = (t: Trace, x: Value, index: number): Value => t.slice(x, [0, index], [dim(x.shape, 0), 1]);

/** The first place of each row whose number reaches the row's threshold, or the last: ascending [R, N], [R, 1] → [R] int32. */
const firstReaching = (t: Trace, ascending: Value, threshold: Value): Value => {
  const below = t.sum(t.cast(t.less(ascending, threshold), 'int32'), [1]);
  return t.minimum(below, t.scalar(dim(ascending.shape, 1) - 1, 'int32'));
};
