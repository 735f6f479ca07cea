import { readFile } from 'node:fs/promises';
import sharp from 'sharp';
import type { Metadata } from 'sharp';
import type { RgbImage } from '../images/resize.ts';
import { decodeDicom } from './dicom/decode-dicom.ts';
import { isDicom } from './dicom/read-file.ts';

/** A file that is not an image, a damaged one, or one whose pixels have no certain colours. */
export class ImageDecodeError extends Error {
  override readonly name = 'ImageDecodeError';
}

/** Pixels beyond which a file is taken for a decompression bomb, as Pillow does. */
const MOST_PIXELS = 178_956_970;

const FORMATS = ['jpeg', 'png', 'webp', 'tiff', 'gif'];

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

/** RGB of inks by Pillow's formula: each takes its share of the light that black leaves. */
const fromInks = (cmyk: Uint8Array): Uint8Array => {
  const rgb = new Uint8Array((cmyk.length / 4) * 3);
  for (let from = 0, to = 0; from < cmyk.length; from += 4) {
    const light = 255 - cmyk[from + 3]!;
    for (let c = 0; c < 3; c++) rgb[to++] = light - divideBy255(cmyk[from + c]! * light);
  }
  return rgb;
};

/** The number under a tag of a TIFF file's first directory, where it is there. */
const tiffTag = (file: Buffer, tag: number): number | undefined => {
  const little = file[0] === 0x49;
  const short = (at: number): number => (little ? file.readUInt16LE(at) : file.readUInt16BE(at));
  const directory = little ? file.readUInt32LE(4) : file.readUInt32BE(4);
  for (let i = 0; i < short(directory); i++) {
    const entry = directory + 2 + 12 * i;
    if (short(entry) === tag) return short(entry + 8);
  }
  return undefined;
};

/** TIFF's PhotometricInterpretation, its value for luma and chroma, and Compression with its values that are JPEG. */
const [PHOTOMETRIC, YCBCR, COMPRESSION, JPEG] = [262, 6, 259, [6, 7]];

/** Throws where the decoder's pixels would not be those that the reference sees, and says what to do instead. */
const refuseUncertain = ({ format, space, depth, channels }: Metadata, file: Buffer): void => {
  if (!FORMATS.includes(format)) throw new Error(`${format} is not read: convert it to PNG`);
  if (depth !== 'uchar' && (channels === 1 || depth !== 'ushort'))
    throw new Error(
      `${depth} grey levels have no agreed black and white, and Pillow turns all over 255 white: bring them to 8 bits with the window that should be seen`,
    );
  if (!['srgb', 'b-w', 'rgb16', 'grey16', 'cmyk'].includes(space))
    throw new Error(`the colour space ${space} is not read: convert it to RGB`);
  if (
    format === 'tiff' &&
    tiffTag(file, PHOTOMETRIC) === YCBCR &&
    !JPEG.includes(tiffTag(file, COMPRESSION) ?? 1)
  )
    throw new Error('YCbCr without JPEG compression is not read: convert it to RGB');
};

const decode = async (file: Buffer): Promise<RgbImage> => {
  if (isDicom(file)) return decodeDicom(file, MOST_PIXELS);
  const image = sharp(file, { failOn: 'error', ignoreIcc: true, limitInputPixels: MOST_PIXELS });
  const metadata = await image.metadata();
  refuseUncertain(metadata, file);
  const space = metadata.space === 'cmyk' ? 'cmyk' : 'srgb';
  // Pillow turns a TIFF by its orientation when it opens it, and no other format.
  if (metadata.format === 'tiff') image.autoOrient();
  const { data, info } = await image
    .pipelineColourspace(space)
    .toColourspace(space)
    .raw({ depth: 'uchar' })
    .toBuffer({ resolveWithObject: true });
  const { width, height, channels } = info;
  if (space === 'cmyk' && channels === 4) return { width, height, data: fromInks(data) };
  if (space === 'srgb' && channels === 4) return { width, height, data: overWhite(data) };
  if (channels !== 3) throw new Error(`${channels} channels of ${space}`);
  return { width, height, data: new Uint8Array(data.buffer, data.byteOffset, data.length) };
};

/**
 * Decodes a JPEG, PNG, WebP, TIFF or GIF file as the reference stack sees it (Pillow 13, and transformers' conversion
 * to RGB): colour profiles are not applied, EXIF rotation only in TIFF, transparency is laid on white, 16-bit colours
 * lose their low byte, and of several pages the first counts. Pixels equal Pillow's. A DICOM file becomes the picture
 * that it says should be seen, as {@link decodeDicom} tells.
 *
 * Throws {@link ImageDecodeError}, which names the file: for one that is cut short or damaged, and for pixels whose
 * colours are not certain, above all grey levels of more than 8 bits outside of DICOM.
 */
export const decodeImage = async (path: string): Promise<RgbImage> => {
  try {
    return await decode(await readFile(path));
  } catch (error) {
    throw new ImageDecodeError(`${path}: cannot decode the image (${(error as Error).message})`, {
      cause: error,
    });
  }
};
