import type { Value } from '../ops/node.ts';
import { dim } from '../ops/shape.ts';
import type { Shape } from '../ops/shape.ts';
import type { Trace } from '../ops/trace.ts';
import type { TextConfig } from './config.ts';

/** Cosines and sines by which the halves of a head are turned; both cover a whole head, sines those of −φ in its first half. */
export interface Rotation {
  readonly cos: Value;
  readonly sin: Value;
}

/** `1 / θ^(2i/n)` for i < n/2, each step rounded to float32 as the reference does. */
export function inverseFrequencies(theta: number, n: number): number[] {
  const round = Math.fround;
  return Array.from({ length: n / 2 }, (_, i) => round(1 / round(theta ** round((2 * i) / n))));
}

/**
 * M-RoPE: the frequencies of a head follow, section by section, the position in time, row and column.
 *
 * Shapes: positions [3, ...] int32 of N tokens → cos, sin [N, 1, D/2 · 2], the half given twice.
 * Reference: Wang et al. 2024, https://arxiv.org/abs/2409.12191 §2.1.
 */
export function multimodalRotation(t: Trace, config: TextConfig, positions: Value): Rotation {
  const frequencies = inverseFrequencies(config.ropeTheta, config.headDim);
  const axes = t.unstack(t.reshape(t.cast(positions, 'float32'), [3, -1, 1, 1]));
  let from = 0;
  const angles = config.mropeSection.map((count, axis) => {
    const section = t.floats(frequencies.slice(from, (from += count)));
    return t.mul(axes[axis] ?? positions, section); // [N, 1, count]
  });
  const angle = t.concat(angles, -1);
  const turn = t.concat([t.neg(angle), angle], -1); // [N, 1, D]
  return { cos: t.cos(turn), sin: t.sin(turn) };
}

/** Turns each head: `(x₁, x₂)·cos + (x₂, x₁)·sin`. x [..., D]; cos and sin broadcast to it. */
export const rotate = (t: Trace, x: Value, { cos, sin }: Rotation): Value =>
  t.add(t.mul(x, cos), t.mul(swapHalves(t, x, [-1, 2, dim(x.shape, -1) / 2]), sin));

/** Exchanges the halves of heads in any layout: they are in the second place of `halves`, which x is reshaped to. */
export const swapHalves = (t: Trace, x: Value, halves: Shape): Value =>
  t.reshape(t.reverse(t.reshape(x, halves), 1), x.shape);
