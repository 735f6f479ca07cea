/** Tells the sign on a drawing by matching it against every sign at many places and sizes. */
import { DRAWING_SIDE, SHAPE_COUNT, shapeMask } from '../../activities/clinic/drawing.ts';

interface Template {
  readonly shape: number;
  /** Covered pixels, as positions. */
  readonly covered: Int32Array;
}

const PLACES = [20, 22, 24, 26, 28, 30, 32, 34, 36];
const SIZES = [11.2, 12.6, 14, 15.4, 16.8];
const PIXELS = DRAWING_SIDE * DRAWING_SIDE;

const templates = (): Template[] => {
  const all: Template[] = [];
  for (let shape = 0; shape < SHAPE_COUNT; shape++)
    for (const size of SIZES)
      for (const x of PLACES)
        for (const y of PLACES) {
          const mask = shapeMask(shape, { x, y, size, strength: 1 });
          const covered: number[] = [];
          for (let i = 0; i < PIXELS; i++) if (mask[i]) covered.push(i);
          all.push({ shape, covered: Int32Array.from(covered) });
        }
  return all;
};

let known: readonly Template[] | undefined;

/**
 * The sign, 0 to 7, whose best template correlates best with the drawing. Grey values [56 · 56], any scale.
 *
 * Correlation of a 0/1 template with the image: (mean inside − mean) · √(n / (N − n)) up to the image's own spread.
 */
export function recogniseSign(grey: ArrayLike<number>): number {
  known ??= templates();
  let total = 0;
  for (let i = 0; i < PIXELS; i++) total += grey[i] ?? 0;
  const mean = total / PIXELS;
  let best = { shape: 0, match: -Infinity };
  for (const { shape, covered } of known) {
    let inside = 0;
    for (const i of covered) inside += grey[i] ?? 0;
    const n = covered.length;
    const match = (inside / n - mean) * Math.sqrt(n / (PIXELS - n));
    if (match > best.match) best = { shape, match };
  }
  return best.shape;
}
