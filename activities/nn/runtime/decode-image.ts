import sharp from 'sharp';
import type { RgbImage } from '../images/resize.ts';

/** A file that is not an image, or a damaged one. */
export class ImageDecodeError extends Error {
  override readonly name = 'ImageDecodeError';
}

/** Pillow's rounding of x / 255 for products of two bytes. */
const divideBy255 = (x: number): number => {
  const y = x + 128;
  return ((y >> 8) + y) >> 8;
};

/** RGB over a white ground. */
const overWhite = (rgba: Uint8Array): Uint8Array => {
  const rgb = new Uint8Array((rgba.length / 4) * 3);
  for (let from = 0, to = 0; from < rgba.length; from += 4) {
    const alpha = rgba[from + 3]!;
    for (let c = 0; c < 3; c++) rgb[to++] = divideBy255(rgba[from + c]! * alpha + 255 * (255 - alpha));
  }
  return rgb;
};

/**
 * Decodes a PNG, JPEG, WebP or TIFF file as the reference stack sees it: EXIF rotation and colour profiles are not
 * applied (Pillow does neither), transparency is laid on white. Pixels equal Pillow's, but for CMYK files, which the two
 * convert by different formulas.
 */
export const decodeImage = async (path: string): Promise<RgbImage> => {
  try {
    const { data, info } = await sharp(path, { failOn: 'error', ignoreIcc: true })
      .toColourspace('srgb')
      .raw({ depth: 'uchar' })
      .toBuffer({ resolveWithObject: true });
    const { width, height, channels } = info;
    if (channels !== 3 && channels !== 4) throw new Error(`${channels} channels`);
    return { width, height, data: channels === 4 ? overWhite(data) : new Uint8Array(data) };
  } catch (error) {
    throw new ImageDecodeError(`${path}: cannot decode the image (${(error as Error).message})`, {
      cause: error,
    });
  }
};
