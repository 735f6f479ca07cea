import { greyLevels } from '../../images/grey-levels.ts';
import { lumaChromaToRgb } from '../../images/luma-chroma.ts';
import type { RgbImage } from '../../images/resize.ts';
import type { DataSet } from './data-set.ts';
import { label } from './data-set.ts';
import { readModality, readPadding, readVoi } from './grey-scale.ts';
import { readLookupTable } from './lookup-table.ts';
import { readFrame, readPixelFormat } from './pixels.ts';
import type { Frame, PixelFormat } from './pixels.ts';
import { readDicomFile } from './read-file.ts';

const greyToRgb = (dataSet: DataSet, { values, bits }: Frame, format: PixelFormat): Uint8Array => {
  const { signed } = format;
  const grey = greyLevels(
    { values, bits, signed },
    readModality(dataSet, signed),
    readVoi(dataSet, signed),
    readPadding(dataSet, signed),
    format.photometric === 'MONOCHROME1',
  );
  const rgb = new Uint8Array(3 * grey.length);
  for (let i = 0; i < rgb.length; i++) rgb[i] = grey[Math.floor(i / 3)]!;
  return rgb;
};

/** The colours of a palette (PS3.3 C.7.6.3.1.5), without the low bytes of 16-bit ones. */
const paletteToRgb = (dataSet: DataSet, { values, bits }: Frame, { signed }: PixelFormat): Uint8Array => {
  const rgb = new Uint8Array(3 * values.length);
  for (const [c, colour] of (['Red', 'Green', 'Blue'] as const).entries()) {
    const descriptor = `${colour}PaletteColorLookupTableDescriptor` as const;
    const table = readLookupTable(dataSet, descriptor, `${colour}PaletteColorLookupTableData`, signed);
    if (table.bits !== 8 && table.bits !== 16)
      throw new Error(`${label(descriptor)} says ${table.bits} bits; colours have 8 or 16`);
    const [last, half] = [table.entries.length - 1, 2 ** (bits - 1)];
    for (const [i, value] of values.entries()) {
      const pattern = value & (2 ** bits - 1);
      const stored = signed && pattern >= half ? pattern - 2 * half : pattern;
      const entry = table.entries[Math.min(Math.max(stored - table.first, 0), last)]!;
      rgb[3 * i + c] = table.bits === 16 ? entry >> 8 : entry;
    }
  }
  return rgb;
};

const coloursToRgb = ({ values, marked }: Frame, { photometric }: PixelFormat): Uint8Array => {
  const rgb = Uint8Array.from(values);
  if (marked?.by === 'JFIF' && photometric === 'RGB')
    throw new Error(
      `${label('PhotometricInterpretation')} is RGB, and the JPEG frame says YCbCr: correct the one that is wrong`,
    );
  // Adobe's marker tells what was encoded, whatever the file says. JPEG 2000 undoes YBR_RCT and YBR_ICT itself.
  const isLumaChroma =
    marked?.by === 'Adobe' ? marked.colours === 'YCbCr' : photometric.startsWith('YBR_FULL');
  if (isLumaChroma) lumaChromaToRgb(rgb);
  return rgb;
};

/**
 * Decodes a DICOM file of one frame to the picture that it says should be seen: grey through its modality and its first
 * VOI transformation, a lookup table before a window, without either from the frame's least value to its greatest;
 * MONOCHROME1 with black and white changed; palettes and luma with chroma as RGB. Overlays, presentation states and
 * colour profiles are not applied. Grey levels are rounded halves up.
 *
 * Throws for what has no certain picture, naming the attribute: several frames, frames of more than `mostPixels`
 * pixels, transfer syntaxes without a decoder, values that are missing, damaged or contradict each other.
 */
export const decodeDicom = async (file: Buffer, mostPixels: number): Promise<RgbImage> => {
  const { dataSet, encoding } = await readDicomFile(file);
  const format = readPixelFormat(dataSet, mostPixels);
  const frame = await readFrame(dataSet, encoding, format);
  const { width, height, photometric, samples } = format;
  if (samples === 3) return { width, height, data: coloursToRgb(frame, format) };
  const toRgb = photometric === 'PALETTE COLOR' ? paletteToRgb : greyToRgb;
  return { width, height, data: toRgb(dataSet, frame, format) };
};
