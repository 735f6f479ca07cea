/**
 * The clinic's images: eight signs drawn at random places, sizes and strengths into noise, 56 × 56.
 *
 * Only sums, products and square roots, which are rounded alike everywhere, so that a drawing has one digest.
 */
import { uniform, type RandomKey } from '../nn/random.ts';

export const DRAWING_SIDE = 56;

/** Where and how large a sign stands, in pixels; `strength` 0–1. */
export interface Placement {
  readonly x: number;
  readonly y: number;
  readonly size: number;
  readonly strength: number;
}

/** Whether a sign covers the point at (dx, dy) from its centre, for a size in pixels. */
const SHAPES: readonly ((dx: number, dy: number, size: number) => boolean)[] = [
  (dx, dy, s) => Math.abs(Math.sqrt(dx * dx + dy * dy) - s) < 3,
  (dx, dy, s) => dx * dx + dy * dy < (0.8 * s) ** 2,
  (dx, dy, s) => (Math.abs(dx) < 3 && Math.abs(dy) < s) || (Math.abs(dy) < 3 && Math.abs(dx) < s),
  (dx, dy, s) => {
    const edge = Math.max(Math.abs(dx), Math.abs(dy));
    return edge < s && edge >= s - 4;
  },
  (dx, dy, s) => dx > 0 && dx * dx + dy * dy < s * s,
  (dx, dy, s) => Math.abs(dx - dy) < 4 && dx * dx + dy * dy < (1.2 * s) ** 2,
  (dx, dy, s) => {
    // Four petals: cos 4a > 0.3, with cos 4a = 8c⁴ − 8c² + 1 for c = cos a.
    const square = dx * dx + dy * dy;
    const c2 = square === 0 ? 0 : (dx * dx) / square;
    return square < s * s && 8 * c2 * c2 - 8 * c2 + 1 > 0.3;
  },
  (dx, dy, s) => Math.abs(dy) < s && Math.abs(dx) < s && Math.abs(Math.floor(dx / 5)) % 2 === 0,
];

/** How many signs can be drawn: `shape` of the functions below counts from 0 to this, in the order of the bank's signs. */
export const SHAPE_COUNT = SHAPES.length;

/** Pixels that a sign covers, row by row: [56 · 56] of 0 and 1. */
export function shapeMask(shape: number, { x, y, size }: Placement): Uint8Array {
  const covers = SHAPES[shape];
  if (covers === undefined)
    throw new RangeError(`there is no sign ${shape}: they are 0 to ${SHAPE_COUNT - 1}`);
  const mask = new Uint8Array(DRAWING_SIDE * DRAWING_SIDE);
  for (let row = 0; row < DRAWING_SIDE; row++)
    for (let column = 0; column < DRAWING_SIDE; column++)
      if (covers(column - x, row - y, size)) mask[row * DRAWING_SIDE + column] = 1;
  return mask;
}

/** Standard deviation of the noise, of a full scale of 1. */
const NOISE = 0.1;

/** Noise of the pixel at `i`: six bits of a draw each, four pixels to a draw, evenly spread, of unit variance. */
const noiseAt = (draws: Float32Array, i: number): number => {
  const bits = ((draws[i >> 2] ?? 0) * 2 ** 24) >>> (6 * (i & 3));
  return ((bits & 63) / 63 - 0.5) * Math.sqrt(12);
};

/** One drawing of a sign: raw RGB, [56, 56, 3] row by row. */
export function drawSign(shape: number, key: RandomKey): Uint8Array {
  const pixels = DRAWING_SIDE * DRAWING_SIDE;
  const draws = uniform(key, pixels / 4 + 4);
  const [x = 0, y = 0, size = 0, strength = 0] = draws.subarray(pixels / 4);
  const placed = {
    x: 28 + (x - 0.5) * 16,
    y: 28 + (y - 0.5) * 16,
    size: (0.8 + 0.4 * size) * 14,
    strength: 0.6 + 0.4 * strength,
  };
  const mask = shapeMask(shape, placed);
  const rgb = new Uint8Array(pixels * 3);
  for (let i = 0; i < pixels; i++) {
    const value = (mask[i] ?? 0) * placed.strength + noiseAt(draws, i) * NOISE;
    const byte = Math.round(Math.min(1, Math.max(0, value)) * 255);
    rgb[3 * i] = byte;
    rgb[3 * i + 1] = byte;
    rgb[3 * i + 2] = byte;
  }
  return rgb;
}
