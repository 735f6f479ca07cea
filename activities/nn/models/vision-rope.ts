import type { Value } from '../ops/node.ts';
import type { Trace } from '../ops/trace.ts';
import type { VisionConfig } from './config.ts';
import type { Grid } from './position-ids.ts';
import { inverseFrequencies } from './rope.ts';
import type { Rotation } from './rope.ts';

const theta = 10_000;

/** Row and column of every patch, in the order of the pixels: merge blocks row-major, and within each its patches. */
export function patchPlaces(
  { t, h, w }: Grid,
  mergeSize: number,
): (readonly [row: number, column: number])[] {
  const frame: (readonly [number, number])[] = [];
  for (let top = 0; top < h; top += mergeSize)
    for (let left = 0; left < w; left += mergeSize)
      for (let y = 0; y < mergeSize; y++) for (let x = 0; x < mergeSize; x++) frame.push([top + y, left + x]);
  return Array.from({ length: t }, () => frame).flat();
}

/**
 * Two-dimensional RoPE: a quarter of a head's numbers turn with the row, a quarter with the column, and the same for the other half.
 * Shapes: cos, sin [P, 1, d] for P patches and heads of d; row i is for patch `rows[i]`, by default for patch i.
 */
export function gridRotation(
  t: Trace,
  config: Pick<VisionConfig, 'heads' | 'dim' | 'mergeSize'>,
  grids: readonly Grid[],
  rows?: readonly number[],
): Rotation {
  const d = config.dim / config.heads;
  const frequencies = inverseFrequencies(theta, d / 2);
  const places = grids.flatMap((grid) => patchPlaces(grid, config.mergeSize));
  const turns = (rows ?? places.map((_, i) => i)).map((i) => {
    const [row, column] = places[i] ?? [0, 0];
    const half = [row, column].flatMap((place) => frequencies.map((f) => Math.fround(place * f)));
    return [...half.map((turn) => -turn), ...half];
  });
  const shape = [places.length, 1, d];
  return {
    cos: t.floats(turns.flat().map(Math.cos), shape),
    sin: t.floats(turns.flat().map(Math.sin), shape),
  };
}

/** The same for places that are fed: places [2, P] int32, rows and columns → cos, sin [P, 1, d]. */
export function placeRotation(
  t: Trace,
  { heads, dim }: Pick<VisionConfig, 'heads' | 'dim'>,
  places: Value,
): Rotation {
  const frequencies = t.floats(inverseFrequencies(theta, dim / heads / 2));
  const turns = t
    .split(t.cast(places, 'float32'), [1, 1], 0)
    .map((axis) => t.mul(t.reshape(axis, [-1, 1, 1]), frequencies)); // [P, 1, d / 4]
  const half = t.concat(turns, -1);
  const turn = t.concat([t.neg(half), half], -1);
  return { cos: t.cos(turn), sin: t.sin(turn) };
}
