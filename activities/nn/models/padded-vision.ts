/**
 * The vision tower for images of any grid up to a size: what a grid decides (places of patches, frames, windows) is fed, and
 * patches that are left over are kept out of attention. An image's embeddings are those of its exact graph but for rounding.
 *
 * Legend: P patches, W windows, L patches of a whole window.
 */
import type { Parameters } from '../linear.ts';
import type { HostArray } from '../ops/dtype.ts';
import type { Value } from '../ops/node.ts';
import type { Trace } from '../ops/trace.ts';
import { masked } from './attention.ts';
import type { ModelConfig, VisionConfig } from './config.ts';
import { fullAttention, queryBlocks } from './full-attention.ts';
import type { Grid } from './position-ids.ts';
import { embedPatches, forwardPatches } from './vision.ts';
import type { Attend } from './vision.ts';
import { patchPlaces, placeRotation } from './vision-rope.ts';
import { visionLayout } from './vision-windows.ts';

/** What an image may have at most. */
export interface VisionRoom {
  readonly patches: number;
  /** 0 for a tower without windows. */
  readonly windows: number;
}

/** The room that one image takes. */
export function roomOf(config: VisionConfig, grid: Grid): VisionRoom {
  const { windows } = visionLayout(config, [grid]);
  return { patches: grid.t * grid.h * grid.w, windows: windows?.lengths.length ?? 0 };
}

/** Patches of a window that no edge cuts. */
const wholeWindow = (vision: VisionConfig): number =>
  vision.kind === 'qwen2_vl' ? 0 : (vision.windowSize / vision.patchSize) ** 2;

/** Declares the inputs that `paddedFeeds` fills, and gives the embeddings [P / m², outDim] of all there is room for. */
export function forwardPaddedVision(
  t: Trace,
  params: Parameters,
  config: ModelConfig,
  { patches: P, windows: W }: VisionRoom,
): Value {
  const { vision } = config;
  const H = vision.heads;
  const D = vision.dim / H;
  const pixels = t.input('pixels', [P, vision.patchNumbers]);
  const frames = t.input('frames', [P], 'int32');
  const sameFrame = queryBlocks(P, t.lanes).map(({ from, rows }) => {
    const queries = t.reshape(t.slice(frames, [from], [rows]), [rows, 1]);
    return t.where(t.equal(queries, frames), t.scalar(0), t.scalar(masked)); // [rows, P]
  });
  const row = (x: Value): Value => t.reshape(x, [1, P, H, D]);
  const whole: Attend = (q, k, v) =>
    t.reshape(fullAttention(t, row(q), row(k), row(v), sameFrame), [P, H * D]);
  return forwardPatches(t, params, vision, embedPatches(t, params, pixels), {
    rotation: placeRotation(t, vision, t.input('places', [2, P], 'int32')),
    whole,
    windowed: W === 0 ? whole : windowAttention(t, vision, W, P),
  });
}

/** Attention within windows whose patches are gathered into W rows of L and put back. */
function windowAttention(t: Trace, vision: VisionConfig, W: number, P: number): Attend {
  const L = wholeWindow(vision);
  const slots = t.input('slots', [W, L], 'int32');
  const filled = t.less(t.ints(Array.from({ length: L }, (_, i) => i)), t.input('filled', [W, 1], 'int32'));
  const mask = t.reshape(t.where(filled, t.scalar(0), t.scalar(masked)), [W, 1, 1, L]);
  const homes = t.input('homes', [P], 'int32');
  return (q, k, v) => {
    const [, H = 0, D = 0] = q.shape;
    const context = fullAttention(t, t.gather(q, slots), t.gather(k, slots), t.gather(v, slots), [mask]);
    return t.gather(t.reshape(context, [W * L, H * D]), homes);
  };
}

/** An image as the inputs of `forwardPaddedVision`. The room must be at least that of its grid. */
export function paddedFeeds(
  vision: VisionConfig,
  { patches: P, windows: W }: VisionRoom,
  grid: Grid,
  pixelValues: Float32Array,
): Record<string, HostArray> {
  const pixels = new Float32Array(P * vision.patchNumbers);
  pixels.set(pixelValues);
  const places = new Int32Array(2 * P);
  for (const [i, [row, column]] of patchPlaces(grid, vision.mergeSize).entries()) {
    places[i] = row;
    places[P + i] = column;
  }
  const count = grid.t * grid.h * grid.w;
  const frames = Int32Array.from({ length: P }, (_, i) =>
    i < count ? Math.floor(i / (grid.h * grid.w)) : -1,
  );
  const { windows } = visionLayout(vision, [grid]);
  if (windows === undefined) return { pixels, places, frames };
  const L = wholeWindow(vision);
  const slots = new Int32Array(W * L);
  const filled = new Int32Array(W);
  const homes = new Int32Array(P);
  let at = 0;
  for (const [window, length] of windows.lengths.entries()) {
    filled[window] = length;
    for (let i = 0; i < length; i++) {
      const patch = windows.rows[at++] ?? 0;
      slots[window * L + i] = patch;
      homes[patch] = window * L + i;
    }
  }
  return { pixels, places, frames, slots, filled, homes };
}
