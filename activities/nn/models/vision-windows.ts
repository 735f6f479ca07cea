import type { VisionConfig } from './config.ts';
import type { Grid } from './position-ids.ts';

/** Rows of patches as attention sees them. */
export interface VisionLayout {
  /** Patches of each frame, whose attention is whole. */
  readonly frames: readonly number[];
  readonly windows?: {
    /** Which patch lies in each row once windows are contiguous, [P]. */
    readonly rows: readonly number[];
    /** Patches of each window. */
    readonly lengths: readonly number[];
    /** In which place each embedding is found behind the merger, [P / m²]. */
    readonly places: readonly number[];
  };
}

/** How patches of several images are laid out: as they come, or by window for a tower that attends within windows. */
export function visionLayout(config: VisionConfig, grids: readonly Grid[]): VisionLayout {
  const frames = grids.flatMap(({ t, h, w }) => Array.from({ length: t }, () => h * w));
  if (config.kind === 'qwen2_vl') return { frames };
  const { mergeSize: m } = config;
  const side = config.windowSize / config.patchSize / m;
  const units: number[] = [];
  const lengths: number[] = [];
  let first = 0;
  for (const { t, h, w } of grids)
    for (let frame = 0; frame < t; frame++) {
      const windows = frameWindows(h / m, w / m, side).sort((a, b) => b.length - a.length);
      units.push(...windows.flat().map((unit) => first + unit));
      lengths.push(...windows.map((window) => window.length * m ** 2));
      first += (h / m) * (w / m);
    }
  const places: number[] = [];
  for (const [place, unit] of units.entries()) places[unit] = place;
  const rows = units.flatMap((unit) => Array.from({ length: m ** 2 }, (_, i) => unit * m ** 2 + i));
  return { frames, windows: { rows, lengths, places } };
}

/** Places of a frame of `rows` × `columns` embeddings, window by window; windows at the right and lower edge may be smaller. */
function frameWindows(rows: number, columns: number, side: number): number[][] {
  const windows: number[][] = [];
  for (let top = 0; top < rows; top += side)
    for (let left = 0; left < columns; left += side) {
      const window: number[] = [];
      for (let row = top; row < Math.min(top + side, rows); row++)
        for (let column = left; column < Math.min(left + side, columns); column++)
          window.push(row * columns + column);
      windows.push(window);
    }
  return windows;
}
