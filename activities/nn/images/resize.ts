/**
 * Pillow's bicubic resampling, bit for bit: two separable passes over bytes in fixed point, antialiased when shrinking.
 *
 * Reference: Pillow `src/libImaging/Resample.c` (`precompute_coeffs`, `normalize_coeffs_8bpc`,
 * `ImagingResampleHorizontal_8bpc`). Other resizers differ by tens of grey levels, which the model was not trained on.
 */
import { kernelWith, PRECISION } from './resample-kernel.ts';

/** Interleaved RGB bytes, rows from the top: [height, width, 3]. */
export interface RgbImage {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

const CHANNELS = 3;
/** Half-width of the bicubic filter. */
const SUPPORT = 2;

/** The cubic convolution filter with a = −0.5. */
const bicubic = (x: number): number => {
  const a = -0.5;
  const d = Math.abs(x);
  if (d < 1) return ((a + 2) * d - (a + 3)) * d * d + 1;
  if (d < 2) return (((d - 5) * d + 8) * d - 4) * a;
  return 0;
};

/** For each output position the first input it takes, and the fixed-point weights from there on, end to end. */
interface Windows {
  readonly starts: Int32Array;
  /** Where the weights of each position begin; one more than there are positions. */
  readonly offsets: Int32Array;
  readonly weights: Int32Array;
}

const windowsOf = (input: number, output: number): Windows => {
  const scale = input / output;
  const filterScale = Math.max(scale, 1);
  const support = SUPPORT * filterScale;
  const starts = new Int32Array(output);
  const offsets = new Int32Array(output + 1);
  const weights: number[] = [];
  for (let x = 0; x < output; x++) {
    const center = (x + 0.5) * scale;
    const start = Math.max(0, Math.trunc(center - support + 0.5));
    const end = Math.min(input, Math.trunc(center + support + 0.5));
    const exact = Array.from({ length: end - start }, (_, i) =>
      bicubic((i + start - center + 0.5) / filterScale),
    );
    const sum = exact.reduce((total, w) => total + w, 0);
    for (const w of exact) {
      const fixed = (sum === 0 ? w : w / sum) * 2 ** PRECISION;
      weights.push(Math.trunc(fixed < 0 ? fixed - 0.5 : fixed + 0.5));
    }
    starts[x] = start;
    offsets[x + 1] = weights.length;
  }
  return { starts, offsets, weights: Int32Array.from(weights) };
};

/** Width or height brought to another number of pixels; the same number is not filtered. */
const scaleAxis = (image: RgbImage, axis: 'width' | 'height', to: number): RgbImage => {
  if (to === image[axis]) return image;
  const { width, height, data } = image;
  const scaled = { width, height, [axis]: to };
  const { starts, offsets, weights } = windowsOf(image[axis], to);
  // Weights, then the input, then the output; the kernel reads one byte behind the last pixel.
  const from = weights.byteLength;
  const out = from + data.length;
  const size = scaled.width * scaled.height * CHANNELS;
  const { memory, mix } = kernelWith(out + size + 1);
  new Int32Array(memory, 0, weights.length).set(weights);
  new Uint8Array(memory, from, data.length).set(data);
  const [pixel, row, outRow] = [CHANNELS, width * CHANNELS, scaled.width * CHANNELS];
  for (let i = 0; i < to; i++) {
    const [first, end] = [4 * offsets[i]!, 4 * offsets[i + 1]!];
    if (axis === 'width')
      mix(from + starts[i]! * pixel, row, pixel, first, end, out + i * pixel, outRow, height);
    else mix(from + starts[i]! * row, pixel, row, first, end, out + i * row, pixel, width);
  }
  return { ...scaled, data: new Uint8Array(memory, out, size).slice() };
};

/**
 * The image at another size; a side that does not change is not filtered. Bytes are clipped between the passes, so
 * that their order shows: as in Pillow 13, rows go first where the height loses more than twice what the width does.
 */
export const resizeBicubic = (image: RgbImage, width: number, height: number): RgbImage => {
  const lost = image.height - height;
  const heightFirst = lost > 0 && lost > (image.width - width) * 2;
  return heightFirst
    ? scaleAxis(scaleAxis(image, 'height', height), 'width', width)
    : scaleAxis(scaleAxis(image, 'width', width), 'height', height);
};
