import { bytesOf, decode, elementsOf, encode, toFloat32, type Dtype, type TensorData } from './dtype.ts';
import type { FileRange, ReadAt, ReadFolder, Write, WriteFolder } from './files.ts';
import {
  encodeHeader,
  headerLength,
  parseHeader,
  SafetensorsError,
  type HeaderOptions,
  type SafetensorsHeader,
  type TensorEntry,
  type TensorSpec,
} from './safetensors.ts';

/** An open safetensors file: its header is in memory, tensors are read one by one, by position. */
export interface SafetensorsFile extends SafetensorsHeader {
  readonly path: string;
  /** Where the stored bytes of a tensor can be mapped. */
  range(name: string): FileRange | undefined;
  /** The stored bytes of a tensor. */
  readBytes(name: string): Promise<Uint8Array>;
  /** The same into an array of their number. */
  readInto(name: string, bytes: Uint8Array): Promise<void>;
  /** The same in parts, each of which holds until the next is asked for; one is read while another is in use. */
  parts(name: string): AsyncGenerator<Uint8Array>;
  /** A floating tensor as float32. */
  read(name: string): Promise<Float32Array>;
  /** A tensor in its own type. */
  readData(name: string): Promise<TensorData>;
  close(): Promise<void>;
}

/** Bytes of a part: a multiple of every element's, large enough for a disk and small enough for a cache. */
const PART_BYTES = 2 ** 22;

const readParts = async function* (
  file: ReadAt,
  { position, bytes }: TensorEntry,
): AsyncGenerator<Uint8Array> {
  const buffers = [0, 1].map(() => new Uint8Array(Math.min(PART_BYTES, bytes)));
  const read = async (at: number): Promise<Uint8Array> => {
    const part = buffers[(at / PART_BYTES) % 2]!.subarray(0, bytes - at);
    await file.readInto(position + at, part);
    return part;
  };
  let next = read(0);
  try {
    for (let at = 0; at < bytes; at += PART_BYTES) {
      const part = await next;
      if (at + PART_BYTES < bytes) next = read(at + PART_BYTES);
      yield part;
    }
  } finally {
    // Whoever stops early may close the file.
    await next.catch(() => undefined);
  }
};

const readHeader = async (file: ReadAt): Promise<SafetensorsHeader> => {
  const length = headerLength(file.path, file.size, await file.read(0, Math.min(8, file.size)));
  return parseHeader(file.path, file.size, await file.read(8, length));
};

/** Opens a file and checks its header; throws `SafetensorsError` where it breaks the format. */
export const openSafetensors = async (folder: ReadFolder, name: string): Promise<SafetensorsFile> => {
  const file = await folder.open(name);
  try {
    const header = await readHeader(file);
    const entry = (tensor: string): TensorEntry => {
      const found = header.tensors.get(tensor);
      if (found === undefined)
        throw new SafetensorsError(file.path, `has no tensor ${JSON.stringify(tensor)}`);
      return found;
    };
    const readBytes = (tensor: string): Promise<Uint8Array> => {
      const { position, bytes } = entry(tensor);
      return file.read(position, bytes);
    };
    return {
      path: file.path,
      ...header,
      range(tensor) {
        const { position, bytes } = entry(tensor);
        return file.mappable === undefined ? undefined : { path: file.mappable, position, bytes };
      },
      readBytes,
      async readInto(tensor, into) {
        const { position, bytes } = entry(tensor);
        if (into.byteLength !== bytes)
          throw new RangeError(`${file.path}: ${tensor} has ${bytes} bytes, not ${into.byteLength}`);
        await file.readInto(position, into);
      },
      parts: (tensor) => readParts(file, entry(tensor)),
      read: async (tensor) => toFloat32(entry(tensor).dtype, await readBytes(tensor)),
      readData: async (tensor) => decode(entry(tensor).dtype, await readBytes(tensor)),
      close: () => file.close(),
    };
  } catch (error) {
    await file.close();
    throw error;
  }
};

/** A tensor's bytes, whole or in parts. */
export type TensorBytes = Uint8Array | AsyncIterable<Uint8Array>;

const bytesOfSpec = ({ dtype, shape }: TensorSpec): number => elementsOf(shape) * bytesOf(dtype);

const writeTensor = async (file: Write, spec: TensorSpec, data: TensorBytes): Promise<void> => {
  let written = 0;
  const parts = data instanceof Uint8Array ? [data] : data;
  for await (const part of parts) {
    await file.write(part);
    written += part.byteLength;
  }
  if (written !== bytesOfSpec(spec))
    throw new SafetensorsError(
      file.path,
      `tensor ${JSON.stringify(spec.name)}: ${written} bytes for ${spec.dtype} ${JSON.stringify(spec.shape)}`,
    );
};

/**
 * Writes a file whose tensors are produced one at a time, in the order of their bytes. `produce` gives a tensor's bytes
 * in the type and shape that its spec names. It begins the next one while one is written, so that two are in memory.
 */
export const streamSafetensors = async (
  folder: WriteFolder,
  name: string,
  specs: readonly TensorSpec[],
  produce: (spec: TensorSpec) => Promise<TensorBytes> | TensorBytes,
  header?: HeaderOptions,
): Promise<void> => {
  const { bytes, order } = encodeHeader(name, specs, header);
  const file = await folder.create(name);
  try {
    await file.write(bytes);
    let made: { readonly spec: TensorSpec; readonly data: TensorBytes } | undefined;
    for (const spec of [...order, undefined]) {
      const [data] = await Promise.all([
        spec && produce(spec),
        made && writeTensor(file, made.spec, made.data),
      ]);
      made = spec && data && { spec, data };
    }
  } finally {
    await file.close();
  }
};

/** A safetensors file whose tensors are written in any order. */
export interface SafetensorsWriter {
  /** Writes the bytes of one of the tensors. */
  put(name: string, bytes: Uint8Array): Promise<void>;
  /** The file is complete only after every tensor has been written, and after this. */
  close(): Promise<void>;
}

/** Creates a file of the tensors that `specs` describe. */
export const createSafetensors = async (
  folder: WriteFolder,
  name: string,
  specs: readonly TensorSpec[],
): Promise<SafetensorsWriter> => {
  const { bytes, order } = encodeHeader(name, specs);
  const places = new Map<string, { readonly position: number; readonly bytes: number }>();
  let end = bytes.byteLength;
  for (const spec of order) {
    places.set(spec.name, { position: end, bytes: bytesOfSpec(spec) });
    end += bytesOfSpec(spec);
  }
  const file = await folder.create(name);
  await file.writeAt(0, bytes);
  return {
    async put(tensor, data) {
      const place = places.get(tensor);
      if (place?.bytes !== data.byteLength)
        throw new SafetensorsError(
          file.path,
          `tensor ${JSON.stringify(tensor)} has ${place?.bytes ?? 'no'} bytes, not ${data.byteLength}`,
        );
      await file.writeAt(place.position, data);
    },
    close: () => file.close(),
  };
};

/** A tensor in memory. */
export interface Tensor {
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  readonly data: TensorData;
}

/** Writes a file of tensors that are all in memory; floating ones are rounded to the type that they name. */
export const writeSafetensors = (
  folder: WriteFolder,
  name: string,
  tensors: ReadonlyMap<string, Tensor>,
  metadata?: Readonly<Record<string, string>>,
): Promise<void> => {
  const specs = [...tensors].map(([tensor, { dtype, shape }]) => ({ name: tensor, dtype, shape }));
  return streamSafetensors(folder, name, specs, (spec) => encode(spec.dtype, tensors.get(spec.name)!.data), {
    metadata,
  });
};
