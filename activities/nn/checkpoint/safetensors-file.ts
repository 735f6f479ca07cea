import { bytesOf, decode, elementsOf, encode, toFloat32, type Dtype, type TensorData } from './dtype.ts';
import type { ReadAt, ReadFolder, WriteFolder } from './files.ts';
import {
  encodeHeader,
  headerLength,
  parseHeader,
  SafetensorsError,
  type SafetensorsHeader,
  type TensorEntry,
  type TensorSpec,
} from './safetensors.ts';

/** An open safetensors file: its header is in memory, tensors are read one by one, by position. */
export interface SafetensorsFile extends SafetensorsHeader {
  readonly path: string;
  /** The stored bytes of a tensor. */
  readBytes(name: string): Promise<Uint8Array>;
  /** A floating tensor as float32. */
  read(name: string): Promise<Float32Array>;
  /** A tensor in its own type. */
  readData(name: string): Promise<TensorData>;
  close(): Promise<void>;
}

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
      readBytes,
      read: async (tensor) => toFloat32(entry(tensor).dtype, await readBytes(tensor)),
      readData: async (tensor) => decode(entry(tensor).dtype, await readBytes(tensor)),
      close: () => file.close(),
    };
  } catch (error) {
    await file.close();
    throw error;
  }
};

/**
 * Writes a file whose tensors are produced one at a time, in the order of their bytes, so that only one of them is
 * in memory. `produce` gives a tensor's bytes in the type and shape that its spec names.
 */
export const streamSafetensors = async (
  folder: WriteFolder,
  name: string,
  specs: readonly TensorSpec[],
  produce: (spec: TensorSpec) => Promise<Uint8Array> | Uint8Array,
  metadata?: Readonly<Record<string, string>>,
): Promise<void> => {
  const { bytes, order } = encodeHeader(name, specs, metadata);
  const file = await folder.create(name);
  try {
    await file.write(bytes);
    for (const spec of order) {
      const data = await produce(spec);
      if (data.byteLength !== elementsOf(spec.shape) * bytesOf(spec.dtype))
        throw new SafetensorsError(
          file.path,
          `tensor ${JSON.stringify(spec.name)}: ${data.byteLength} bytes for ${spec.dtype} ${JSON.stringify(spec.shape)}`,
        );
      await file.write(data);
    }
  } finally {
    await file.close();
  }
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
  return streamSafetensors(
    folder,
    name,
    specs,
    (spec) => encode(spec.dtype, tensors.get(spec.name)!.data),
    metadata,
  );
};
