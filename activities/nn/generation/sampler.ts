import { masked } from '../models/attention.ts';
import type { Value } from '../ops/node.ts';
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

/**
 * A token drawn from softmax(logits / temperature): the first whose cumulative probability reaches the uniform number. With it its
 * log-probability in nats, by the softmax over all tokens, suppressed ones too, which is the one a policy is trained by.
 *
 * The number is above 0 and is scaled by the row's own last sum, so that neither a suppressed token nor one behind the last is hit.
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
  const cumulative = t.cumsum(t.mul(odds, allowance(t, V, suppressed)), 1);
  const last = t.slice(cumulative, [0, V - 1], [R, 1]);
  const threshold = t.mul(t.reshape(inputs.uniforms, [R, 1]), last);
  const below = t.cast(t.less(cumulative, threshold), 'int32');
  const tokens = t.minimum(t.sum(below, [1]), t.scalar(V - 1, 'int32'));
  const places = t.add(tokens, t.ints(Array.from({ length: R }, (_, r) => r * V)));
  const chosen = t.gather(t.reshape(shifted, [R * V]), places);
  return { tokens, logps: t.sub(chosen, t.log(t.sum(odds, [1]))) };
}
