import type { Elements, Filter } from 'dcmjs';
import { DataSet } from './data-set.ts';

/** How the frames of a transfer syntax are stored. */
export type Encoding = 'native' | 'run lengths' | 'JPEG' | 'JPEG-LS' | 'JPEG 2000';

const BIG_ENDIAN = '1.2.840.10008.1.2.2';
const SYNTAXES: Readonly<Record<string, Encoding>> = {
  '1.2.840.10008.1.2': 'native',
  '1.2.840.10008.1.2.1': 'native',
  [BIG_ENDIAN]: 'native',
  '1.2.840.10008.1.2.5': 'run lengths',
  '1.2.840.10008.1.2.4.50': 'JPEG',
  '1.2.840.10008.1.2.4.51': 'JPEG',
  '1.2.840.10008.1.2.4.57': 'JPEG',
  '1.2.840.10008.1.2.4.70': 'JPEG',
  '1.2.840.10008.1.2.4.80': 'JPEG-LS',
  '1.2.840.10008.1.2.4.81': 'JPEG-LS',
  '1.2.840.10008.1.2.4.90': 'JPEG 2000',
  '1.2.840.10008.1.2.4.91': 'JPEG 2000',
};

/** Where the file meta information begins, and the bytes of its first element, which tells the length of the others. */
const [META, GROUP_LENGTH] = [132, 12];
const GROUP_LENGTH_HEADER = Buffer.from('02000000554c0400', 'hex');

/** Asks the reader for a value's bytes, not for what it makes of them. */
const RAW: Filter = {
  addTag: (next, tag, info) => {
    next(tag, info);
    return { expectsRaw: true };
  },
};

/** Whether a file begins as PS3.10 says. */
export const isDicom = (file: Buffer): boolean => file.toString('latin1', META - 4, META) === 'DICM';

/**
 * The data set of a DICOM file (PS3.10), and how its pixel data are stored.
 *
 * Values are taken from the reader as raw bytes. It then holds every length against the file's size before anything is
 * allocated, and decodes no text, whose character sets do not matter here.
 */
export const readDicomFile = async (file: Buffer): Promise<{ dataSet: DataSet; encoding: Encoding }> => {
  if (!file.subarray(META, META + GROUP_LENGTH_HEADER.length).equals(GROUP_LENGTH_HEADER))
    throw new Error(
      'the file meta information does not begin with its length: write the file anew, for example with DCMTK: dcmconv --write-file scan.dcm new.dcm',
    );
  const { default: dcmjs } = await import('dcmjs');
  dcmjs.log.setLevel('silent');
  dcmjs.log.getLogger('validation.dcmjs').setLevel('silent');
  const reader = new dcmjs.async.AsyncDicomReader({ maxFragmentSize: Infinity });
  reader.stream.addBuffer(new Uint8Array(file).buffer);
  reader.stream.setComplete();
  const read = async (until: number): Promise<Elements> => {
    const listener = new dcmjs.utilities.DicomMetadataListener({ informationTags: new Set() }, RAW);
    listener.startObject({});
    try {
      return await reader.read(listener, { untilOffset: until });
    } catch (error) {
      throw new Error(`the file is cut short or damaged (${(error as Error).message})`, { cause: error });
    }
  };
  reader.stream.offset = META;
  const end = META + GROUP_LENGTH + file.readUInt32LE(META + GROUP_LENGTH_HEADER.length);
  const meta = new DataSet(await read(end), false);
  const syntax = meta.text('TransferSyntaxUID') ?? 'none';
  const encoding = SYNTAXES[syntax];
  if (!encoding)
    throw new Error(
      `the transfer syntax ${syntax} is not read: convert the file to explicit little endian, for example with GDCM: gdcmconv --raw scan.dcm raw.dcm`,
    );
  reader.syntax = syntax;
  return { dataSet: new DataSet(await read(file.length), syntax === BIG_ENDIAN), encoding };
};
