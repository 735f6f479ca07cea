import type { LookupTable } from '../../images/grey-levels.ts';
import type { Attribute, DataSet } from './data-set.ts';
import { label } from './data-set.ts';

/** Reads a lookup table (PS3.3 C.11.1.1.1). What it looks up is `signed`, or not. */
export const readLookupTable = (
  dataSet: DataSet,
  descriptor: Attribute,
  data: Attribute,
  signed: boolean,
): LookupTable => {
  const [count, first, bits] = dataSet.shorts(descriptor) ?? [];
  const bytes = dataSet.bytes(data);
  if (count === undefined || first === undefined || bits === undefined || !bytes)
    throw new Error(`${label(descriptor)} or ${label(data)} is missing`);
  if (bits < 8 || bits > 16) throw new Error(`${label(descriptor)} says ${bits} bits; 8 to 16 are defined`);
  // 65536 does not fit in 16 bits and is told as 0.
  const length = count || 2 ** 16;
  const wide = bytes.length === 2 * length;
  if (!wide && (bits > 8 || bytes.length !== length + (length % 2)))
    throw new Error(
      `${label(data)} has ${bytes.length} bytes, and ${length} entries of ${bits} bits take others`,
    );
  return {
    first: signed && first >= 2 ** 15 ? first - 2 ** 16 : first,
    entries: Uint16Array.from({ length }, (_, i) => (wide ? bytes.readUInt16LE(2 * i) : bytes[i]!)),
    bits,
  };
};
