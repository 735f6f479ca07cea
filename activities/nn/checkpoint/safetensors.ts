/**
 * The safetensors format: u64 little-endian header length N, N bytes of JSON, then the tensors, contiguous.
 *
 * A header is untrusted: sizes are checked against the file before anything is allocated, and every violation is an
 * error that names the file and the tensor.
 * Reference: https://github.com/huggingface/safetensors (Format), `safetensors/src/tensor.rs`.
 */
import { bytesOf, DTYPES, elementsOf, isDtype, type Dtype } from './dtype.ts';
import { duplicateKey } from './duplicate-keys.ts';

/** The reference implementation's own limit. */
const MAX_HEADER_BYTES = 100_000_000;
const LENGTH_BYTES = 8;
const METADATA = '__metadata__';

/** A tensor to be written. */
export interface TensorSpec {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
}

/** A tensor in a file: `position` and `bytes` are absolute. */
export interface TensorEntry extends TensorSpec {
  readonly position: number;
  readonly bytes: number;
}

export interface SafetensorsHeader {
  /** In the order of their bytes. */
  readonly tensors: ReadonlyMap<string, TensorEntry>;
  readonly metadata: ReadonlyMap<string, string>;
}

/** The file breaks the format; it must not be loaded. */
export class SafetensorsError extends Error {
  override readonly name = 'SafetensorsError';
  readonly file: string;
  constructor(file: string, reason: string) {
    super(`${file}: ${reason}`);
    this.file = file;
  }
}

/** Length of the header's JSON, from the file's first eight bytes. */
export const headerLength = (file: string, fileBytes: number, start: Uint8Array): number => {
  if (fileBytes < LENGTH_BYTES || start.byteLength < LENGTH_BYTES)
    throw new SafetensorsError(file, `truncated: ${fileBytes} bytes, not even a header length`);
  const length = new DataView(start.buffer, start.byteOffset, LENGTH_BYTES).getBigUint64(0, true);
  if (length > BigInt(MAX_HEADER_BYTES))
    throw new SafetensorsError(file, `header of ${length} bytes is over the limit of ${MAX_HEADER_BYTES}`);
  if (LENGTH_BYTES + Number(length) > fileBytes)
    throw new SafetensorsError(file, `truncated: header of ${length} bytes in a file of ${fileBytes}`);
  return Number(length);
};

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) >= 0;
const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const parseEntry = (file: string, name: string, value: unknown, dataStart: number): TensorEntry => {
  const fail = (reason: string): never => {
    throw new SafetensorsError(file, `tensor ${JSON.stringify(name)}: ${reason}`);
  };
  if (!isRecord(value)) return fail('its entry is not an object');
  const { dtype, shape, data_offsets: offsets, ...rest } = value;
  const unknown = Object.keys(rest);
  if (unknown.length > 0) return fail(`unknown field ${JSON.stringify(unknown[0])}`);
  if (!isDtype(dtype))
    return fail(`dtype ${JSON.stringify(dtype)} is not supported (supported: ${DTYPES.join(', ')})`);
  if (!Array.isArray(shape) || !shape.every(isCount))
    return fail(`shape ${JSON.stringify(shape)} is not a list of sizes`);
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isCount))
    return fail(`data_offsets ${JSON.stringify(offsets)} are not two positions`);
  const [begin, end] = offsets as [number, number];
  const bytes = elementsOf(shape) * bytesOf(dtype);
  if (!Number.isSafeInteger(bytes)) return fail(`shape ${JSON.stringify(shape)} overflows`);
  if (end - begin !== bytes)
    return fail(`${dtype} ${JSON.stringify(shape)} takes ${bytes} bytes, data_offsets span ${end - begin}`);
  return { name, dtype, shape, position: dataStart + begin, bytes };
};

/** Checks a header's JSON against the format and the size of its file. */
export const parseHeader = (file: string, fileBytes: number, json: Uint8Array): SafetensorsHeader => {
  let value: unknown;
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(json);
    value = JSON.parse(text);
  } catch (error) {
    throw new SafetensorsError(file, `header is not JSON (${(error as Error).message})`);
  }
  if (!isRecord(value) || !text.startsWith('{'))
    throw new SafetensorsError(file, 'header is not a JSON object');
  const twice = duplicateKey(text);
  if (twice !== undefined) throw new SafetensorsError(file, `header holds ${JSON.stringify(twice)} twice`);

  const metadata = new Map<string, string>();
  const entries: TensorEntry[] = [];
  const dataStart = LENGTH_BYTES + json.byteLength;
  for (const [name, field] of Object.entries(value)) {
    if (name !== METADATA) {
      entries.push(parseEntry(file, name, field, dataStart));
      continue;
    }
    if (!isRecord(field)) throw new SafetensorsError(file, `${METADATA} is not an object`);
    for (const [key, text] of Object.entries(field)) {
      if (typeof text !== 'string')
        throw new SafetensorsError(file, `${METADATA}: ${JSON.stringify(key)} is not a string`);
      metadata.set(key, text);
    }
  }

  entries.sort((a, b) => a.position - b.position || a.bytes - b.bytes);
  let at = dataStart;
  for (const { name, position, bytes } of entries) {
    if (position !== at)
      throw new SafetensorsError(
        file,
        `tensor ${JSON.stringify(name)} ${position < at ? 'overlaps the one before it' : 'leaves a hole before it'} (data byte ${position - dataStart}, expected ${at - dataStart})`,
      );
    at = position + bytes;
  }
  if (at !== fileBytes)
    throw new SafetensorsError(
      file,
      at > fileBytes
        ? `truncated: ${fileBytes} bytes, the header describes ${at}; last tensor ${JSON.stringify(entries.at(-1)?.name)}`
        : `${fileBytes - at} bytes after the last tensor`,
    );
  return { tensors: new Map(entries.map((entry) => [entry.name, entry])), metadata };
};

export interface HeaderOptions {
  readonly metadata?: Readonly<Record<string, string>> | undefined;
  /** Of what number of bytes the place of the first tensor is a multiple. */
  readonly alignment?: 8 | 64;
}

/** TensorFlow's kernels take weights as they lie in a file, if they begin at a multiple of a cache line's bytes. */
export const MAPPABLE = { alignment: 64 } as const;

/**
 * The bytes before the tensors (length and header) and the tensors in the order in which their bytes must follow.
 *
 * Deterministic: wide types first, then by name; JSON padded with spaces so that the first tensor begins at a multiple of
 * `alignment` bytes. With 8, the reference writer's, equal tensors make equal files whoever wrote them.
 */
export const encodeHeader = (
  file: string,
  specs: readonly TensorSpec[],
  { metadata = { format: 'pt' }, alignment = 8 }: HeaderOptions = {},
): { readonly bytes: Uint8Array; readonly order: readonly TensorSpec[] } => {
  const order = specs.toSorted(
    (a, b) =>
      DTYPES.indexOf(a.dtype) - DTYPES.indexOf(b.dtype) || (a.name < b.name ? -1 : a.name > b.name ? 1 : 0),
  );
  const header = new Map<string, unknown>();
  if (Object.keys(metadata).length > 0)
    header.set(
      METADATA,
      Object.fromEntries(Object.entries(metadata).toSorted(([a], [b]) => (a < b ? -1 : 1))),
    );
  let at = 0;
  for (const { name, dtype, shape } of order) {
    if (name === METADATA || header.has(name))
      throw new SafetensorsError(file, `cannot write tensor ${JSON.stringify(name)}: the name is taken`);
    const bytes = elementsOf(shape) * bytesOf(dtype);
    if (!shape.every(isCount) || !Number.isSafeInteger(at + bytes))
      throw new SafetensorsError(
        file,
        `cannot write tensor ${JSON.stringify(name)}: shape ${JSON.stringify(shape)}`,
      );
    header.set(name, { dtype, shape, data_offsets: [at, at + bytes] });
    at += bytes;
  }
  // Written key by key, since an object would move keys that look like numbers to the front.
  const json = [...header].map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`).join(',');
  const text = new TextEncoder().encode(`{${json}}`);
  const padded = Math.ceil((LENGTH_BYTES + text.byteLength) / alignment) * alignment - LENGTH_BYTES;
  if (padded > MAX_HEADER_BYTES)
    throw new SafetensorsError(file, `header of ${padded} bytes is over the limit of ${MAX_HEADER_BYTES}`);
  const bytes = new Uint8Array(LENGTH_BYTES + padded).fill(0x20);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(padded), true);
  bytes.set(text, LENGTH_BYTES);
  return { bytes, order };
};
