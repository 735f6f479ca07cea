import type { Value } from '../ops/node.ts';
import { dim } from '../ops/shape.ts';
import type { Trace } from '../ops/trace.ts';
import { masked } from '../models/attention.ts';

export interface Sampled {
  /** [R] int32 */
  readonly tokens: Value;
  /** [R] nats: log-probability of each token by the model's own softmax at the temperature, suppressed tokens counted in. */
  readonly logps: Value;
}

export interface SamplerInputs {
  /** Reciprocal of the temperature, a scalar. */
  readonly inverseTemperature: Value;
  /** [R] numbers in (0, 1). */
  readonly uniforms: Value;
}

/** Scores no token may be drawn by: 0 for tokens that can be, [V]. */
export function suppression(t: Trace, vocabulary: number, suppressed: readonly number[]): Value {
  const scores = new Float32Array(vocabulary);
  for (const token of suppressed) scores[token] = masked;
  return t.constant(scores, [vocabulary], 'float32');
}

/** The most likely token of each row, the first of equals. logits [R, V]. */
export function greedy(t: Trace, logits: Value, suppressed: Value): Sampled {
  const tokens = t.argmax(t.add(logits, suppressed));
  return { tokens, logps: t.neg(t.crossEntropy(logits, tokens)) };
}

/**
 * A token drawn from softmax(logits / temperature): the first whose cumulative probability reaches the uniform number. logits [R, V].
 *
 * The number is scaled by the row's last sum, which rounding may leave beside 1, and is above 0, so that neither a suppressed token
 * nor one behind the last can be hit.
 */
export function sample(t: Trace, logits: Value, suppressed: Value, inputs: SamplerInputs): Sampled {
  const [R = 0, V = 0] = logits.shape;
  const scaled = t.mul(logits, inputs.inverseTemperature);
  const cumulative = t.cumsum(t.softmax(t.add(scaled, suppressed)), 1);
  const total = t.slice(cumulative, [0, V - 1], [R, 1]);
  const threshold = t.mul(t.reshape(inputs.uniforms, [R, 1]), total);
  const below = t.cast(t.less(cumulative, threshold), 'int32');
  const tokens = t.minimum(t.sum(below, [1]), t.scalar(dim(logits.shape, 1) - 1, 'int32'));
  return { tokens, logps: t.neg(t.crossEntropy(scaled, tokens)) };
}
