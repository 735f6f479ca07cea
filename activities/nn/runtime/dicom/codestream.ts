import type { Encoding } from './read-file.ts';

/** What a compressed frame says of itself. */
export interface Codestream {
  readonly width: number;
  readonly height: number;
  readonly components: number;
  /** Bits of a sample. */
  readonly precision: number;
  /** Whether samples are signed, where the format can say so. */
  readonly signed?: boolean;
  /** Whether the decoder gives one component after another. */
  readonly planar: boolean;
  /** The colours that the frame's own markers tell: Adobe's transform, or JFIF. */
  readonly marked?: { readonly by: 'Adobe' | 'JFIF'; readonly colours: 'RGB' | 'YCbCr' };
  /** Where the coded samples begin. */
  readonly body: number;
}

const isStartOfFrame = (marker: number, encoding: Encoding): boolean =>
  encoding === 'JPEG-LS' ? marker === 0xf7 : marker >= 0xc0 && marker <= 0xc3;

const readJpeg = (frame: Buffer, encoding: Encoding): Codestream => {
  let header: Pick<Codestream, 'width' | 'height' | 'components' | 'precision'> | undefined;
  let marked: Codestream['marked'];
  for (let at = 2; ;) {
    if (frame.readUInt8(at) !== 0xff)
      throw new Error(`the ${encoding} frame has no marker where one belongs`);
    const marker = frame.readUInt8(at + 1);
    if (marker === 0xff) {
      at++;
      continue;
    }
    const length = frame.readUInt16BE(at + 2);
    if (isStartOfFrame(marker, encoding))
      header = {
        precision: frame.readUInt8(at + 4),
        height: frame.readUInt16BE(at + 5),
        width: frame.readUInt16BE(at + 7),
        components: frame.readUInt8(at + 9),
      };
    if (marker === 0xee && frame.toString('latin1', at + 4, at + 9) === 'Adobe')
      marked = { by: 'Adobe', colours: frame.readUInt8(at + 15) === 0 ? 'RGB' : 'YCbCr' };
    if (marker === 0xe0 && frame.toString('latin1', at + 4, at + 8) === 'JFIF')
      marked ??= { by: 'JFIF', colours: 'YCbCr' };
    if (marker === 0xda) {
      if (!header) throw new Error(`the frame is not ${encoding} of a kind that is read`);
      const planar = encoding === 'JPEG-LS' && frame.readUInt8(at + 4) < header.components;
      return { ...header, planar, body: at + 2 + length, ...(marked && encoding === 'JPEG' && { marked }) };
    }
    at += 2 + length;
  }
};

const readJpeg2000 = (frame: Buffer): Codestream => {
  const components = frame.readUInt16BE(40);
  const [first, ...others] = Array.from({ length: components }, (_, i) => frame.readUIntBE(42 + 3 * i, 3));
  if (first === undefined || others.some((other) => other !== first) || (first & 0xffff) !== 0x0101)
    throw new Error('JPEG 2000 whose components differ in size or depth is not read');
  return {
    width: frame.readUInt32BE(8) - frame.readUInt32BE(16),
    height: frame.readUInt32BE(12) - frame.readUInt32BE(20),
    components,
    precision: ((first >> 16) & 0x7f) + 1,
    signed: first >> 23 === 1,
    planar: false,
    body: 42 + 3 * components,
  };
};

const STARTS: Partial<Record<Encoding, string>> = {
  JPEG: 'ffd8',
  'JPEG-LS': 'ffd8',
  'JPEG 2000': 'ff4fff51',
};

/** Whether bytes begin a compressed frame. */
export const beginsCodestream = (bytes: Buffer, encoding: Encoding): boolean =>
  bytes.toString('hex', 0, 4).startsWith(STARTS[encoding] ?? '-');

/** Both families end with this marker, and have it nowhere within their samples. */
const END = Buffer.from('ffd9', 'hex');

/** The header of a compressed frame. Throws where it is not one, or where the frame is cut short. */
export const readCodestream = (frame: Buffer, encoding: Encoding): Codestream => {
  if (!beginsCodestream(frame, encoding)) throw new Error(`the frame does not begin as ${encoding} does`);
  let codestream: Codestream;
  try {
    codestream = encoding === 'JPEG 2000' ? readJpeg2000(frame) : readJpeg(frame, encoding);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new Error(`the ${encoding} frame ends within its header`, { cause: error });
  }
  if (!frame.includes(END, codestream.body)) throw new Error(`the ${encoding} frame is cut short`);
  return codestream;
};

const DECODERS = {
  JPEG: 'decodeJpeg',
  'JPEG-LS': 'decodeJpegLs',
  'JPEG 2000': 'decodeJpeg2000',
} as const;

/** The samples of a compressed frame: one byte each up to a precision of 8 bits, else two, low byte first. */
export const decodeCodestream = async (
  frame: Buffer,
  encoding: keyof typeof DECODERS,
  { width, height, components, precision, signed }: Codestream,
): Promise<Uint8Array> => {
  const { default: codecs } = await import('dcmjs-codecs');
  codecs.log.setLevel('silent');
  const bytes = precision > 8 ? 2 : 1;
  const context = new codecs.Context({
    width,
    height,
    bitsAllocated: 8 * bytes,
    bitsStored: precision,
    samplesPerPixel: components,
    pixelRepresentation: signed ? 1 : 0,
    planarConfiguration: 0,
    photometricInterpretation: components === 1 ? 'MONOCHROME2' : 'RGB',
    encodedBuffer: frame,
  });
  // Another call may release the codecs between this one's awaiting them and going on.
  while (!codecs.NativeCodecs.isInitialized()) await codecs.NativeCodecs.initializeAsync();
  try {
    const decoded = codecs.NativeCodecs[DECODERS[encoding]](context).getDecodedBuffer();
    if (decoded?.length !== width * height * components * bytes)
      throw new Error(`${decoded?.length ?? 0} bytes for ${width} × ${height} pixels`);
    return decoded;
  } catch (error) {
    // What failed may have left the codecs' memory in any state.
    codecs.NativeCodecs.release();
    throw new Error(`the ${encoding} frame is damaged (${(error as Error).message.trim()})`, {
      cause: error,
    });
  }
};
