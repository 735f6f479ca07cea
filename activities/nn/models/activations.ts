import type { Value } from '../ops/node.ts';
import type { Trace } from '../ops/trace.ts';

export const silu = (t: Trace, x: Value): Value => t.mul(x, t.sigmoid(x));

export const quickGelu = (t: Trace, x: Value): Value => t.mul(x, t.sigmoid(t.scale(x, 1.702)));

/** The exact form, `x · Φ(x)`. */
export const gelu = (t: Trace, x: Value): Value =>
  t.mul(t.scale(x, 0.5), t.add(t.erf(t.scale(x, Math.SQRT1_2)), t.scalar(1)));
