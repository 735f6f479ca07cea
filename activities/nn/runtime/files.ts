import { mkdir, open, readdir, readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { ReadAt, ReadFolder, Write, WriteFolder } from '../checkpoint/files.ts';

/** One read call takes less than 2 GiB. */
const MAX_READ = 2 ** 30;

/** Opens a file for reads by position. */
const openFile = async (path: string): Promise<ReadAt> => {
  const handle = await open(path, 'r');
  const { size } = await handle.stat();
  const readInto = async (position: number, bytes: Uint8Array): Promise<void> => {
    const length = bytes.byteLength;
    let done = 0;
    while (done < length) {
      const { bytesRead } = await handle.read(
        bytes,
        done,
        Math.min(length - done, MAX_READ),
        position + done,
      );
      if (bytesRead === 0)
        throw new Error(`${path}: ends at byte ${position + done}, wanted ${length} from ${position}`);
      done += bytesRead;
    }
  };
  return {
    path,
    mappable: resolve(path),
    size,
    async read(position, length) {
      const bytes = new Uint8Array(length);
      await readInto(position, bytes);
      return bytes;
    },
    readInto,
    close: () => handle.close(),
  };
};

/** Creates (or replaces) a file to be written. */
const createFile = async (path: string): Promise<Write> => {
  const handle = await open(path, 'w');
  let end = 0;
  const writeAt = async (position: number, bytes: Uint8Array): Promise<void> => {
    let done = 0;
    while (done < bytes.byteLength) {
      const length = Math.min(bytes.byteLength - done, MAX_READ);
      done += (await handle.write(bytes, done, length, position + done)).bytesWritten;
    }
  };
  return {
    path,
    async write(bytes) {
      await writeAt(end, bytes);
      end += bytes.byteLength;
    },
    writeAt,
    close: () => handle.close(),
  };
};

/** A folder on disk as the checkpoint code sees it; it is made by the first file created in it. */
export const nodeFolder = (path: string): ReadFolder & WriteFolder => ({
  path,
  async list() {
    const entries = await readdir(path, { withFileTypes: true });
    return entries
      .filter((entry) => !entry.isDirectory())
      .map((entry) => entry.name)
      .sort();
  },
  readText: (name) => readFile(join(path, name), 'utf8'),
  open: (name) => openFile(join(path, name)),
  async create(name) {
    await mkdir(path, { recursive: true });
    return createFile(join(path, name));
  },
});
