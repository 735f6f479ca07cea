import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inflateSync } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import type { RgbImage } from '../../../../activities/nn/images/resize.ts';
import { decodeImage, ImageDecodeError } from '../../../../activities/nn/runtime/decode-image.ts';
import golden from '../../../golden/pydicom-decode.json' with { type: 'json' };

const folder = mkdtempSync(join(tmpdir(), 'dicom-'));
afterAll(() => rmSync(folder, { recursive: true }));

const inflate = (text: string): Buffer => inflateSync(Buffer.from(text, 'base64'));

const bytesOf = (name: string): Buffer =>
  inflate([...golden.cases, ...golden.refused].find((one) => one.name === name)!.file);

const path = join(folder, 'scan.dcm');

const decode = (bytes: Buffer): Promise<RgbImage> => {
  writeFileSync(path, bytes);
  return decodeImage(path);
};

/** The file with other bytes in place of the first that equal `from`, both in hexadecimal. */
const patched = (name: string, from: string, to: string): Buffer => {
  const bytes = bytesOf(name);
  const at = bytes.indexOf(Buffer.from(from, 'hex'));
  expect(at).toBeGreaterThan(0);
  Buffer.from(to, 'hex').copy(bytes, at);
  return bytes;
};

/** An element of one 16-bit value in explicit little endian: its tag, US, its length; then the value. */
const short = (tag: string, value: number): string =>
  tag + '55530200' + Buffer.from(Uint16Array.of(value).buffer).toString('hex');

const [ROWS, ALLOCATED, STORED, HIGH] = ['28001000', '28000001', '28000101', '28000201'];
const [REPRESENTATION, PLANAR, SAMPLES] = ['28000301', '28000600', '28000200'];

/** What is written in the refused files of the golden data. */
const reasons: Record<string, RegExp> = {
  'three frames': /NumberOfFrames \(0028,0008\) is 3: save the one that should be seen/,
  'two frames in one': /PixelData \(7FE0,0010\) has not the one frame/,
  'two frames in a table': /PixelData \(7FE0,0010\) has not the one frame/,
  deflated: /transfer syntax 1\.2\.840\.10008\.1\.2\.1\.99 is not read: .*gdcmconv --raw/,
  'RGB of 16 bits': /BitsAllocated \(0028,0100\) 16 of RGB is not read/,
  '32 bits': /BitsAllocated \(0028,0100\) 32 of MONOCHROME2 is not read/,
  YBR_PARTIAL_422: /PhotometricInterpretation \(0028,0004\) YBR_PARTIAL_422 is not read/,
  'a palette in segments': /RedPaletteColorLookupTableData \(0028,1201\) is missing/,
  'JFIF that is called RGB': /PhotometricInterpretation \(0028,0004\) is RGB, and the JPEG frame says YCbCr/,
  'JPEG 2000 of another sign': /has signed samples, and PixelRepresentation \(0028,0103\) says otherwise/,
  'a slope without an intercept': /RescaleSlope \(0028,1053\) and RescaleIntercept \(0028,1052\) occur/,
  'a center without a width': /WindowCenter \(0028,1050\) and WindowWidth \(0028,1051\) occur together/,
  'a width of 0': /WindowWidth \(0028,1051\) is 0; with LINEAR it is at least 1/,
  'a width of .5': /WindowWidth \(0028,1051\) is 0\.5; with LINEAR it is at least 1/,
  'an unknown function': /VOILUTFunction \(0028,1056\) CUBIC is not/,
  'a short table': /LUTData \(0028,3006\) has 600 bytes, and 299 entries of 16 bits/,
  'too many bytes': /PixelData \(7FE0,0010\) has 152 bytes, and its pixels are 143/,
  'no pixels': /PixelData \(7FE0,0010\) is missing/,
};

const contradictions: [string, string, string, RegExp][] = [
  ['CT', short(ROWS, 11), short(ROWS, 0), /13 × 0 pixels/],
  ['CT', short(ROWS, 11), short('28000f00', 11), /Rows \(0028,0010\) is missing/],
  ['CT', short(SAMPLES, 1), short(SAMPLES, 2), /SamplesPerPixel \(0028,0002\) is 2, and MONOCHROME2 has 1/],
  ['CT', short(STORED, 16), short(STORED, 17), /BitsStored \(0028,0101\) is 17 of 16 bits/],
  ['CT', short(STORED, 16), short(STORED, 0), /BitsStored \(0028,0101\) is 0 of 16 bits/],
  ['CT', short(HIGH, 15), short(HIGH, 11), /HighBit \(0028,0102\) is 11/],
  ['CT', short(REPRESENTATION, 1), short(REPRESENTATION, 2), /PixelRepresentation \(0028,0103\) is 2/],
  ['RGB', short(PLANAR, 0), short(PLANAR, 2), /PlanarConfiguration \(0028,0006\) is 2/],
  ['JPEG-LS of 8 bits', short(ROWS, 11), short(ROWS, 12), /JPEG-LS frame has 13 × 11 .* says 13 × 12/],
  ['JPEG of grey', short(ALLOCATED, 8), short(ALLOCATED, 16), /samples of 8 bits, and BitsAllocated/],
  ['lossless JPEG of 8 bits', 'ffc3000b08', 'ffc5000b08', /not JPEG of a kind that is read/],
  [
    'RLE of 8 bits',
    '0100000040000000',
    '0200000040000000',
    /run-length frame of these pixels has 1 segments/,
  ],
  [
    'RLE of 8 bits',
    '0100000040000000',
    '01000000ff000000',
    /segments of a run-length frame do not lie in it/,
  ],
  ['RLE of 8 bits', short(ROWS, 11), short(ROWS, 12), /run-length segment is cut short/],
  ['RLE of 8 bits', short(ROWS, 11), short(ROWS, 10), /run-length segment holds more than its pixels/],
  ['CT', Buffer.from('400 ').toString('hex'), Buffer.from('4x0 ').toString('hex'), /WindowWidth .* "4x0"/],
];

describe('decodeImage of a DICOM file', () => {
  it.each(golden.cases)('sees what pydicom sees: $name', async ({ file, width, height, rgb }) => {
    const image = await decode(inflate(file));
    expect([image.width, image.height]).toEqual([width, height]);
    expect(inflate(rgb).equals(image.data)).toBe(true);
  });

  it('has a reason to refuse for each file that is refused', () => {
    expect(Object.keys(reasons)).toEqual(golden.refused.map(({ name }) => name));
  });

  it.each(golden.refused)('refuses what has no certain picture: $name', async ({ name, file }) => {
    const decoding = decode(inflate(file));
    await expect(decoding).rejects.toBeInstanceOf(ImageDecodeError);
    await expect(decoding).rejects.toThrow(reasons[name]!);
    await expect(decoding).rejects.toThrow(`${path}: cannot decode the image`);
  });

  it.each(contradictions)('refuses attributes that contradict the pixels: %s, %s for %s', async (...args) => {
    const [name, from, to, reason] = args;
    await expect(decode(patched(name, from, to))).rejects.toThrow(reason);
  });

  it('refuses a frame of more pixels than an image has before it reads any', async () => {
    const wide = patched('CT', short('28001100', 13), short('28001100', 65535));
    const huge = Buffer.from(
      wide.toString('latin1').replace('\x28\0\x10\0US\x02\0\x0b\0', '\x28\0\x10\0US\x02\0\xff\xff'),
      'latin1',
    );
    await expect(decode(huge)).rejects.toThrow('65535 × 65535 pixels; a picture has 1 to 178956970');
  });

  it('refuses an element that claims more bytes than the file has', async () => {
    const claims = bytesOf('CT');
    claims.writeUInt32LE(0xfffffff0, claims.indexOf(Buffer.from('e07f1000', 'hex')) + 8);
    await expect(decode(claims)).rejects.toThrow(/the file is cut short or damaged/);
  });

  it('says how to write a file anew that lacks the length of its meta information', async () => {
    const file = bytesOf('CT');
    file.writeUInt16LE(0x0001, 134);
    await expect(decode(file)).rejects.toThrow(/does not begin with its length.*dcmconv --write-file/);
  });

  it.each(['CT', 'RGB', 'a palette of words', 'RLE of 16 bits', 'an enhanced object', 'four fragments'])(
    'refuses a file that is cut short, wherever that is: %s',
    async (name) => {
      const file = bytesOf(name);
      // The last four bytes of a compressed file, the length of its last delimiter, tell nothing.
      const whole = file.length - (name === 'RLE of 16 bits' || name === 'four fragments' ? 4 : 0);
      for (let length = whole - 1; length > 132; length -= 17)
        await expect(decode(file.subarray(0, length)), `${length} bytes`).rejects.toThrow(ImageDecodeError);
    },
  );

  it.each(['JPEG-LS of 8 bits', 'JPEG 2000 of 8 bits', 'JPEG of grey', 'lossless JPEG of 8 bits'])(
    'refuses a compressed frame that is cut short within a whole file: %s',
    async (name) => {
      const file = bytesOf(name);
      const end = file.lastIndexOf(Buffer.from('ffd9', 'hex'));
      expect(end).toBeGreaterThan(file.length - 20);
      file.fill(0, end - 30, end + 2);
      await expect(decode(file)).rejects.toThrow(/frame is cut short/);
    },
  );

  it('decodes on after the codecs met a damaged frame', async () => {
    const whole = bytesOf('JPEG-LS of 8 bits');
    const damaged = Buffer.from(whole);
    damaged.fill(0x55, damaged.length - 60, damaged.length - 10);
    const [refused, decoded] = await Promise.allSettled([decode(damaged), decodeImage(path)]);
    expect([refused.status, decoded.status]).toEqual(['rejected', 'rejected']);
    expect((await decode(whole)).width).toBe(13);
  });

  it.each(['CT', 'a VOI table', 'a palette of words', 'RLE of RGB', 'an enhanced object'])(
    'makes a picture of a file with a changed byte, or says what is wrong with it: %s',
    async (name) => {
      for (let round = 0; round < 60; round++) {
        const file = bytesOf(name);
        // Knuth's multiplicative hash of the round spreads the places over the file.
        const at = 132 + ((Math.imul(round + 1, 2654435761) >>> 0) % (file.length - 132));
        file[at] = file[at]! ^ (1 << (round % 8));
        const [outcome] = await Promise.allSettled([decode(file)]);
        if (outcome.status === 'rejected') expect(outcome.reason).toBeInstanceOf(ImageDecodeError);
        else expect(outcome.value.data.length).toBe(3 * outcome.value.width * outcome.value.height);
      }
    },
  );
});
