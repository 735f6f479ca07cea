/**
 * Images as the vision tower takes them: resized, normalised, cut into patches.
 *
 * Legend: gh, gw rows and columns of patches, m merge size, C channels, F frames of a patch, P pixels along its side.
 * Reference: transformers `Qwen2VLImageProcessor` (the Pillow one); equal to it to the last bit of float32.
 */
import type { Grid } from '../models/position-ids.ts';
import { resizeBicubic, type RgbImage } from './resize.ts';
import type { ImageSettings } from './settings.ts';
import { smartResize } from './smart-resize.ts';

export interface ImagePatches {
  /** [gh·gw, C·F·P·P], row-major. */
  readonly pixelValues: Float32Array;
  readonly grid: Grid;
}

const CHANNELS = 3;

/** Normalised value of each byte, a table for each channel, with every step rounded to float32 as NumPy does. */
const normalisedBytes = ({ mean, std }: ImageSettings): Float32Array[] =>
  Array.from({ length: CHANNELS }, (_, c) =>
    Float32Array.from({ length: 256 }, (_, byte) => {
      const rescaled = Math.fround(byte * (1 / 255));
      const centred = Math.fround(rescaled - Math.fround(mean[c]!));
      return centred / Math.fround(std[c]!);
    }),
  );

/** The patches that an image of this size becomes. */
export const gridOf = (
  { width, height }: { readonly width: number; readonly height: number },
  {
    patchSize,
    mergeSize,
    minPixels,
    maxPixels,
  }: Pick<ImageSettings, 'patchSize' | 'mergeSize' | 'minPixels' | 'maxPixels'>,
): Grid => {
  const size = smartResize(height, width, patchSize * mergeSize, minPixels, maxPixels);
  return { t: 1, h: size.height / patchSize, w: size.width / patchSize };
};

/**
 * A still image: one frame of the grid, repeated to fill the patch's frames. Patches are ordered so that the m × m of
 * one embedding follow each other; a patch's numbers are ordered channel, frame, row, column.
 */
export const imagePatches = (image: RgbImage, settings: ImageSettings): ImagePatches => {
  const { patchSize: P, temporalPatchSize: F, mergeSize: m } = settings;
  const grid = gridOf(image, settings);
  const { h: gh, w: gw } = grid;
  const { data, width } = resizeBicubic(image, gw * P, gh * P);
  const tables = normalisedBytes(settings);
  const pixelValues = new Float32Array(gh * gw * CHANNELS * F * P * P);
  let out = 0;
  // Merge blocks row-major, and within each its patches.
  for (let block = 0; block < (gh * gw) / m ** 2; block++)
    for (let place = 0; place < m ** 2; place++) {
      const row = Math.floor(block / (gw / m)) * m + Math.floor(place / m);
      const column = (block % (gw / m)) * m + (place % m);
      for (let c = 0; c < CHANNELS; c++) {
        const table = tables[c]!;
        const frame = out;
        for (let y = row * P; y < (row + 1) * P; y++) {
          let at = (y * width + column * P) * CHANNELS + c;
          for (let x = 0; x < P; x++, at += CHANNELS) pixelValues[out++] = table[data[at]!]!;
        }
        for (let f = 1; f < F; f++, out += P * P) pixelValues.copyWithin(out, frame, frame + P * P);
      }
    }
  return { pixelValues, grid };
};
