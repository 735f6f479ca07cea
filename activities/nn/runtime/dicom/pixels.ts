import { spreadChroma } from '../../images/luma-chroma.ts';
import { beginsCodestream, decodeCodestream, readCodestream } from './codestream.ts';
import type { Codestream } from './codestream.ts';
import type { DataSet } from './data-set.ts';
import { label } from './data-set.ts';
import type { Encoding } from './read-file.ts';
import { decodeRunLengths } from './run-lengths.ts';

const PHOTOMETRICS = {
  MONOCHROME1: 1,
  MONOCHROME2: 1,
  'PALETTE COLOR': 1,
  RGB: 3,
  YBR_FULL: 3,
  YBR_FULL_422: 3,
  YBR_ICT: 3,
  YBR_RCT: 3,
} as const;

export type Photometric = keyof typeof PHOTOMETRICS;

/** The image pixel module (PS3.3 C.7.6.3). */
export interface PixelFormat {
  readonly width: number;
  readonly height: number;
  readonly photometric: Photometric;
  readonly samples: 1 | 3;
  /** Bits that a sample takes in the file, and bits of those that count, the lowest. */
  readonly allocated: 8 | 16;
  readonly stored: number;
  readonly signed: boolean;
  readonly planar: boolean;
}

/** The samples of one frame, interleaved. `bits` of each count. */
export interface Frame {
  readonly values: Uint8Array | Uint16Array;
  readonly bits: number;
  /** The colours that a JPEG frame's own marker tells, where it has one. */
  readonly marked?: Codestream['marked'];
}

const CURE = 'bring the picture to 8 bits of grey or RGB and save it as PNG';

const isPhotometric = (text: string): text is Photometric => Object.hasOwn(PHOTOMETRICS, text);

/** Reads and checks the image pixel module. `mostPixels` bounds what a frame may claim. */
export const readPixelFormat = (dataSet: DataSet, mostPixels: number): PixelFormat => {
  const frames = dataSet.decimal('NumberOfFrames') ?? 1;
  if (frames !== 1)
    throw new Error(
      `${label('NumberOfFrames')} is ${frames}: save the one that should be seen as a picture of its own, for example the third with DCMTK: dcm2img --write-png --frame 3 --use-window 1 scan.dcm scan.png`,
    );
  const [height, width] = [dataSet.short('Rows'), dataSet.short('Columns')];
  if (width === 0 || height === 0 || width * height > mostPixels)
    throw new Error(`${width} × ${height} pixels; a picture has 1 to ${mostPixels}`);
  const photometric = dataSet.text('PhotometricInterpretation') ?? 'none';
  if (!isPhotometric(photometric))
    throw new Error(`${label('PhotometricInterpretation')} ${photometric} is not read: ${CURE}`);
  const samples = PHOTOMETRICS[photometric];
  if (dataSet.short('SamplesPerPixel') !== samples)
    throw new Error(
      `${label('SamplesPerPixel')} is ${dataSet.short('SamplesPerPixel')}, and ${photometric} has ${samples}`,
    );
  const [allocated, stored] = [dataSet.short('BitsAllocated'), dataSet.short('BitsStored')];
  if (allocated !== 8 && (allocated !== 16 || samples !== 1))
    throw new Error(`${label('BitsAllocated')} ${allocated} of ${photometric} is not read: ${CURE}`);
  if (stored < 1 || stored > allocated || (samples === 3 && stored !== 8))
    throw new Error(
      `${label('BitsStored')} is ${stored} of ${allocated} bits, which ${photometric} cannot have`,
    );
  if (dataSet.short('HighBit') !== stored - 1)
    throw new Error(
      `${label('HighBit')} is ${dataSet.short('HighBit')}; samples of ${stored} bits are read where it is ${stored - 1}`,
    );
  const representation = dataSet.short('PixelRepresentation');
  if (representation > (samples === 1 ? 1 : 0))
    throw new Error(`${label('PixelRepresentation')} is ${representation}, which ${photometric} cannot have`);
  const planar = samples === 3 ? dataSet.short('PlanarConfiguration') : 0;
  if (planar > 1) throw new Error(`${label('PlanarConfiguration')} is ${planar}; 0 and 1 are defined`);
  return {
    width,
    height,
    photometric,
    samples,
    allocated,
    stored,
    signed: representation === 1,
    planar: planar === 1,
  };
};

const interleave = (planes: Uint8Array): Uint8Array => {
  const pixels = planes.length / 3;
  const interleaved = new Uint8Array(planes.length);
  for (let c = 0; c < 3; c++)
    for (let i = 0; i < pixels; i++) interleaved[3 * i + c] = planes[c * pixels + i]!;
  return interleaved;
};

const words = (bytes: Uint8Array, allocated: number): Uint8Array | Uint16Array => {
  if (allocated === 8) return bytes;
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const values = new Uint16Array(bytes.length / 2);
  for (let i = 0; i < values.length; i++) values[i] = view.readUInt16LE(2 * i);
  return values;
};

const nativeFrame = (bytes: Buffer, format: PixelFormat): Frame => {
  const { width, height, photometric, samples, allocated, stored } = format;
  const halved = photometric === 'YBR_FULL_422';
  if (halved && (width % 2 !== 0 || format.planar))
    throw new Error('YBR_FULL_422 has an even number of columns, and its samples are interleaved');
  if (photometric === 'YBR_RCT' || photometric === 'YBR_ICT')
    throw new Error(`${photometric} occurs with JPEG 2000 only`);
  const length = width * height * (halved ? 2 : samples) * (allocated / 8);
  // An odd number of bytes is followed by one more.
  if (bytes.length !== length + (length % 2))
    throw new Error(`${label('PixelData')} has ${bytes.length} bytes, and its pixels are ${length}`);
  const pixels = bytes.subarray(0, length);
  if (halved) return { values: spreadChroma(pixels), bits: stored };
  return { values: format.planar ? interleave(pixels) : words(pixels, allocated), bits: stored };
};

const shape = (width: number, height: number, samples: number): string =>
  `${width} × ${height} pixels of ${samples} samples`;

const compressedFrame = async (
  bytes: Buffer,
  encoding: 'JPEG' | 'JPEG-LS' | 'JPEG 2000',
  format: PixelFormat,
): Promise<Frame> => {
  const { width, height, samples, allocated, stored, signed } = format;
  const codestream = readCodestream(bytes, encoding);
  const { components, precision } = codestream;
  const claimed = shape(width, height, samples);
  const coded = shape(codestream.width, codestream.height, components);
  if (claimed !== coded) throw new Error(`the ${encoding} frame has ${coded}, and the file says ${claimed}`);
  if ((precision > 8 ? 16 : 8) !== allocated || precision > 16)
    throw new Error(
      `the ${encoding} frame has samples of ${precision} bits, and ${label('BitsAllocated')} is ${allocated}`,
    );
  if (codestream.signed !== undefined && codestream.signed !== signed)
    throw new Error(
      `the ${encoding} frame has ${codestream.signed ? 'signed' : 'unsigned'} samples, and ${label('PixelRepresentation')} says otherwise`,
    );
  const decoded = await decodeCodestream(bytes, encoding, codestream);
  return {
    values: codestream.planar ? interleave(decoded) : words(decoded, allocated),
    bits: Math.min(precision, stored),
    marked: codestream.marked,
  };
};

/** The samples of the only frame. Throws where there are more or fewer bytes than its pixels need, or they are damaged. */
export const readFrame = async (
  dataSet: DataSet,
  encoding: Encoding,
  format: PixelFormat,
): Promise<Frame> => {
  const [fragments, ...others] = dataSet.frames();
  const apart = encoding !== 'native' && fragments?.slice(1).some((one) => beginsCodestream(one, encoding));
  if (!fragments || others.length > 0 || apart)
    throw new Error(`${label('PixelData')} has not the one frame that ${label('NumberOfFrames')} tells`);
  const bytes = Buffer.concat(fragments);
  if (encoding === 'native') return nativeFrame(bytes, format);
  if (encoding !== 'run lengths') return compressedFrame(bytes, encoding, format);
  const { width, height, samples, allocated, stored } = format;
  const decoded = decodeRunLengths(bytes, width * height, samples, allocated / 8);
  return { values: words(decoded, allocated), bits: stored };
};
