import type { ReadFolder, WriteFolder } from './files.ts';
import { openSafetensors, streamSafetensors } from './safetensors-file.ts';
import { MAPPABLE } from './safetensors.ts';

/** Bytes of another file that are in memory at once. */
const PART_BYTES = 2 ** 22;

const copyFile = async (from: ReadFolder, to: WriteFolder, name: string): Promise<void> => {
  const source = await from.open(name);
  const copy = await to.create(name);
  try {
    for (let at = 0; at < source.size; at += PART_BYTES)
      await copy.write(await source.read(at, Math.min(PART_BYTES, source.size - at)));
  } finally {
    await copy.close();
    await source.close();
  }
};

/**
 * Copies a model folder so that its weights can be used as they are mapped: the same files, tensors and metadata, in
 * safetensors files whose tensors begin at a multiple of 64 bytes. The digest of the weights stays. `copied` is told of
 * each file. Throws `SafetensorsError` where a file breaks the format.
 */
export const alignCheckpoint = async (
  from: ReadFolder,
  to: WriteFolder,
  copied: (name: string, done: number, total: number) => void = () => {},
): Promise<void> => {
  const names = await from.list();
  for (const [i, name] of names.entries()) {
    if (name.endsWith('.safetensors')) {
      const file = await openSafetensors(from, name);
      try {
        const header = { ...MAPPABLE, metadata: Object.fromEntries(file.metadata) };
        await streamSafetensors(
          to,
          name,
          [...file.tensors.values()],
          (spec) => file.parts(spec.name),
          header,
        );
      } finally {
        await file.close();
      }
    } else await copyFile(from, to, name);
    copied(name, i + 1, names.length);
  }
};
