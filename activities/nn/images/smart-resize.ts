/** An image so long and thin that the model cannot take it. */
export class AspectRatioError extends Error {
  override readonly name = 'AspectRatioError';
}

const MAX_ASPECT = 200;

/** Python's `round`: halves go to the even neighbour. `Math.round` gives another grid for one size in fourteen. */
const roundHalfToEven = (x: number): number => {
  const low = Math.floor(x);
  const rest = x - low;
  if (rest !== 0.5) return rest < 0.5 ? low : low + 1;
  return low % 2 === 0 ? low : low + 1;
};

/**
 * The size to which an image is brought: both sides multiples of `factor`, the area between `minPixels` and
 * `maxPixels`, the aspect ratio kept as nearly as that allows.
 *
 * Reference: transformers `models/qwen2_vl/image_processing_qwen2_vl.py`, `smart_resize`.
 */
export const smartResize = (
  height: number,
  width: number,
  factor: number,
  minPixels: number,
  maxPixels: number,
): { readonly height: number; readonly width: number } => {
  const aspect = Math.max(height, width) / Math.min(height, width);
  if (aspect > MAX_ASPECT)
    throw new AspectRatioError(
      `image of ${width} × ${height}: aspect ratio ${aspect.toFixed(1)} is over ${MAX_ASPECT}; crop it`,
    );
  const [h, w] = [roundHalfToEven(height / factor) * factor, roundHalfToEven(width / factor) * factor];
  if (h * w > maxPixels) {
    const beta = Math.sqrt((height * width) / maxPixels);
    return {
      height: Math.max(factor, Math.floor(height / beta / factor) * factor),
      width: Math.max(factor, Math.floor(width / beta / factor) * factor),
    };
  }
  if (h * w < minPixels) {
    const beta = Math.sqrt(minPixels / (height * width));
    return {
      height: Math.ceil((height * beta) / factor) * factor,
      width: Math.ceil((width * beta) / factor) * factor,
    };
  }
  return { height: h, width: w };
};
