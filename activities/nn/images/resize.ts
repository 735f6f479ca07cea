/**
 * Pillow's bicubic resampling, bit for bit: two separable passes over bytes in fixed point, antialiased when shrinking.
 *
 * Reference: Pillow `src/libImaging/Resample.c` (`precompute_coeffs`, `normalize_coeffs_8bpc`,
 * `ImagingResampleHorizontal_8bpc`). Other resizers differ by tens of grey levels, which the model was not trained on.
 */

/** Interleaved RGB bytes, rows from the top: [height, width, 3]. */
export interface RgbImage {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

const CHANNELS = 3;
/** Bits after the point in a coefficient. */
const PRECISION = 22;
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

interface Window {
  readonly start: number;
  /** Fixed-point weights of the inputs from `start`. */
  readonly weights: Int32Array;
}

/** For each output position, which inputs it takes and with what weight. */
const windowsOf = (input: number, output: number): Window[] => {
  const scale = input / output;
  const filterScale = Math.max(scale, 1);
  const support = SUPPORT * filterScale;
  return Array.from({ length: output }, (_, x) => {
    const center = (x + 0.5) * scale;
    const start = Math.max(0, Math.trunc(center - support + 0.5));
    const end = Math.min(input, Math.trunc(center + support + 0.5));
    const exact = Array.from({ length: end - start }, (_, i) =>
      bicubic((i + start - center + 0.5) / filterScale),
    );
    const sum = exact.reduce((total, w) => total + w, 0);
    const weights = Int32Array.from(exact, (w) => {
      const fixed = (sum === 0 ? w : w / sum) * 2 ** PRECISION;
      return Math.trunc(fixed < 0 ? fixed - 0.5 : fixed + 0.5);
    });
    return { start, weights };
  });
};

/**
 * One pass: every line of `length` pixels, `step` values apart, becomes one of `windows.length` pixels `outStep` apart.
 */
const resample = (
  from: Uint8Array,
  to: Uint8ClampedArray,
  lines: number,
  layout: {
    readonly line: number;
    readonly step: number;
    readonly outLine: number;
    readonly outStep: number;
  },
  windows: readonly Window[],
): void => {
  for (let line = 0; line < lines; line++) {
    for (const [x, { start, weights }] of windows.entries()) {
      let [r, g, b] = [1 << (PRECISION - 1), 1 << (PRECISION - 1), 1 << (PRECISION - 1)];
      let at = line * layout.line + start * layout.step;
      for (const weight of weights) {
        r += from[at]! * weight;
        g += from[at + 1]! * weight;
        b += from[at + 2]! * weight;
        at += layout.step;
      }
      const out = line * layout.outLine + x * layout.outStep;
      to[out] = r >> PRECISION;
      to[out + 1] = g >> PRECISION;
      to[out + 2] = b >> PRECISION;
    }
  }
};

const scaleWidth = ({ width, height, data }: RgbImage, to: number): RgbImage => {
  if (to === width) return { width, height, data };
  const out = new Uint8ClampedArray(height * to * CHANNELS);
  const layout = { line: width * CHANNELS, step: CHANNELS, outLine: to * CHANNELS, outStep: CHANNELS };
  resample(data, out, height, layout, windowsOf(width, to));
  return { width: to, height, data: new Uint8Array(out.buffer) };
};

const scaleHeight = ({ width, height, data }: RgbImage, to: number): RgbImage => {
  if (to === height) return { width, height, data };
  const out = new Uint8ClampedArray(to * width * CHANNELS);
  const row = width * CHANNELS;
  resample(
    data,
    out,
    width,
    { line: CHANNELS, step: row, outLine: CHANNELS, outStep: row },
    windowsOf(height, to),
  );
  return { width, height: to, data: new Uint8Array(out.buffer) };
};

/**
 * The image at another size; a side that does not change is not filtered. Bytes are clipped between the passes, so
 * that their order shows: as in Pillow 13, rows go first where the height loses more than twice what the width does.
 */
export const resizeBicubic = (image: RgbImage, width: number, height: number): RgbImage => {
  const lost = image.height - height;
  const heightFirst = lost > 0 && lost > (image.width - width) * 2;
  return heightFirst
    ? scaleWidth(scaleHeight(image, height), width)
    : scaleHeight(scaleWidth(image, width), height);
};
