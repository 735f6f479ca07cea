/**
 * Weights in the order in which a product of few rows reads them.
 *
 * Such a product is bound by the reading of weights. oneDNN reads a matrix [N, K] or [K, N] in strips that lie apart in memory, at
 * half the speed at which it reads one tile of `tileWidth` outputs after another.
 */
import type { Value } from './ops/node.ts';
import { dim } from './ops/shape.ts';
import type { Shape } from './ops/shape.ts';
import type { Trace } from './ops/trace.ts';

/** Outputs of a tile; the fastest of 16 to 384 at 8 rows in float32, on processors with AVX-512. */
export const tileWidth = 32;

/** The tiles of a matrix that has them: W [N, K] → [N/32, K, 32]. */
export const tiled = (t: Trace, W: Value): Value =>
  t.transpose(t.reshape(W, [-1, tileWidth, dim(W.shape, 1)]), [0, 2, 1]);

/** Whether a matrix [N, K] is a whole number of tiles. */
export const hasTiles = ([N = 0]: Shape): boolean => N % tileWidth === 0;

/** `x·Wᵀ` by the tiles of W, itself in tiles: x [M, K], tiles [N/32, K, 32] → [N/32, M, 32]. */
export const tiledProduct = (t: Trace, x: Value, tiles: Value): Value => t.batchMatmul(x, tiles);

/** [n, M, 32] → [M, 32·n] */
export const rowsOf = (t: Trace, y: Value): Value => t.reshape(t.interleave(y), [dim(y.shape, 1), -1]);
