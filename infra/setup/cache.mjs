import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';

/** Where everything native is kept: `MMEDEXPERT_CACHE`, else `mmedexpert` in the user's cache directory. */
export function cacheFolder(env = process.env) {
  if (env.MMEDEXPERT_CACHE) return path.resolve(env.MMEDEXPERT_CACHE);
  const base =
    process.platform === 'darwin'
      ? path.join(os.homedir(), 'Library', 'Caches')
      : env.XDG_CACHE_HOME || path.join(os.homedir(), '.cache');
  return path.join(base, 'mmedexpert');
}

/** Half-made things live here; whoever holds the lock of the cache may empty it. */
export const scratchOf = (cache) => path.join(cache, 'tmp');

export const exists = (file) =>
  stat(file).then(
    () => true,
    () => false,
  );

export const sha256OfFile = (file) =>
  new Promise((resolve, reject) => {
    const hash = createHash('sha256');
    createReadStream(file, { highWaterMark: 1 << 20 })
      .on('data', (bytes) => hash.update(bytes))
      .on('end', () => resolve(hash.digest('hex')))
      .on('error', reject);
  });

/** Makes a folder by filling one in the scratch and moving it into place: it is there whole or not at all. */
export async function makeFolder(cache, folder, fill) {
  const temporary = path.join(scratchOf(cache), `${path.basename(folder)}.${process.pid}`);
  await rm(temporary, { recursive: true, force: true });
  await mkdir(temporary, { recursive: true });
  try {
    await fill(temporary);
    await mkdir(path.dirname(folder), { recursive: true });
    await rm(folder, { recursive: true, force: true });
    await rename(temporary, folder);
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

const SEAL = 'sealed.json';

/** Writes down size, time and sha256 of the files that matter in a folder, next to what is known of them. */
export async function seal(folder, names, about) {
  const files = {};
  for (const name of names.toSorted()) {
    const file = path.join(folder, name);
    const { size, mtimeMs } = await stat(file);
    files[name] = { size, mtimeMs, sha256: await sha256OfFile(file) };
  }
  await writeFile(path.join(folder, SEAL), JSON.stringify({ version: 1, ...about, files }, null, 2));
}

/** What {@link seal} wrote, or nothing where the folder is not sealed. */
export async function readSeal(folder) {
  try {
    return JSON.parse(await readFile(path.join(folder, SEAL), 'utf8'));
  } catch {
    return undefined;
  }
}

/**
 * Whether a sealed folder is as it was made. Sizes and times tell without reading a gigabyte; a file of another time,
 * and with `thorough` every file, is hashed.
 */
export async function isWhole(folder, { thorough = false } = {}) {
  const sealed = await readSeal(folder);
  if (!sealed?.files) return false;
  for (const [name, { size, mtimeMs, sha256 }] of Object.entries(sealed.files)) {
    const file = path.join(folder, name);
    const now = await stat(file).catch(() => undefined);
    if (now?.size !== size) return false;
    if ((thorough || now.mtimeMs !== mtimeMs) && (await sha256OfFile(file)) !== sha256) return false;
  }
  return true;
}
