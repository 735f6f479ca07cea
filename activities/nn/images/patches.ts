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

/** Normalised value of each byte of each channel, with every step rounded to float32 as NumPy does. */
const normalisedBytes = ({ mean, std }: ImageSettings): Float32Array => {
  const table = new Float32Array(CHANNELS * 256);
  for (let c = 0; c < CHANNELS; c++)
    for (let byte = 0; byte < 256; byte++) {
      const rescaled = Math.fround(byte * (1 / 255));
      const centred = Math.fround(rescaled - Math.fround(mean[c]!));
      table[c * 256 + byte] = centred / Math.fround(std[c]!);
    }
  return table;
};

/**
 * A still image: one frame of the grid, repeated to fill the patch's frames. Patches are ordered so that the m × m of
 * one embedding follow each other; a patch's numbers are ordered channel, frame, row, column.
 */
export const imagePatches = (image: RgbImage, settings: ImageSettings): ImagePatches => {
  const { patchSize: P, temporalPatchSize: F, mergeSize: m } = settings;
  const size = smartResize(image.height, image.width, P * m, settings.minPixels, settings.maxPixels);
  const { data, width } = resizeBicubic(image, size.width, size.height);
  const [gh, gw] = [size.height / P, size.width / P];
  const table = normalisedBytes(settings);
  const pixelValues = new Float32Array(gh * gw * CHANNELS * F * P * P);
  let out = 0;
  const patch = (top: number, left: number): void => {
    for (let c = 0; c < CHANNELS; c++) {
      const frame = out;
      for (let y = 0; y < P; y++) {
        let at = ((top + y) * width + left) * CHANNELS + c;
        for (let x = 0; x < P; x++, at += CHANNELS) pixelValues[out++] = table[c * 256 + data[at]!]!;
      }
      for (let f = 1; f < F; f++, out += P * P) pixelValues.copyWithin(out, frame, frame + P * P);
    }
  };
  for (let row = 0; row < gh; row += m)
    for (let column = 0; column < gw; column += m)
      for (let y = 0; y < m; y++) for (let x = 0; x < m; x++) patch((row + y) * P, (column + x) * P);
  return { pixelValues, grid: { t: 1, h: gh, w: gw } };
};
