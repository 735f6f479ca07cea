const GREEN_OF_CB = (0.114 * 1.772) / 0.587;
const GREEN_OF_CR = (0.299 * 1.402) / 0.587;

/** Halves up, and within a byte. */
const toByte = (x: number): number => Math.min(Math.max(Math.floor(x + 0.5), 0), 255);

/**
 * RGB of interleaved 8-bit luma and chroma of full range, in place.
 *
 * Reference: DICOM PS3.3 C.7.6.3.1.2; pydicom `pixels/processing.py`, `_convert_YBR_FULL_to_RGB`.
 */
export const lumaChromaToRgb = (pixels: Uint8Array): void => {
  for (let i = 0; i < pixels.length; i += 3) {
    const [y, cb, cr] = [pixels[i]!, pixels[i + 1]! - 128, pixels[i + 2]! - 128];
    pixels[i] = toByte(y + 1.402 * cr);
    pixels[i + 1] = toByte(y - GREEN_OF_CB * cb - GREEN_OF_CR * cr);
    pixels[i + 2] = toByte(y + 1.772 * cb);
  }
};

/** Luma and chroma, interleaved, of pairs of pixels `Y Y Cb Cr` that share their chroma. */
export const spreadChroma = (pairs: Uint8Array): Uint8Array => {
  const pixels = new Uint8Array((pairs.length / 2) * 3);
  for (let from = 0, to = 0; from < pairs.length; from += 4)
    for (let pixel = 0; pixel < 2; pixel++) {
      pixels[to++] = pairs[from + pixel]!;
      pixels[to++] = pairs[from + 2]!;
      pixels[to++] = pairs[from + 3]!;
    }
  return pixels;
};
