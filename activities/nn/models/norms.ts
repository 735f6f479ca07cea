import type { Value } from '../ops/node.ts';
import type { Trace } from '../ops/trace.ts';

/** `x / √(mean(x²) + ε) · g` over the last axis. x [..., D], g [D]. */
export function rmsNorm(t: Trace, x: Value, gain: Value, epsilon: number): Value {
  const inverse = t.rsqrt(t.add(t.mean(t.square(x), [-1], true), t.scalar(epsilon)));
  return t.mul(t.mul(x, inverse), gain);
}

/** `(x − mean) / √(variance + ε) · g + b` over the last axis. x [..., D], g and b [D]. */
export function layerNorm(t: Trace, x: Value, gain: Value, bias: Value, epsilon: number): Value {
  const centred = t.sub(x, t.mean(x, [-1], true));
  const inverse = t.rsqrt(t.add(t.mean(t.square(centred), [-1], true), t.scalar(epsilon)));
  return t.add(t.mul(t.mul(centred, inverse), gain), bias);
}
