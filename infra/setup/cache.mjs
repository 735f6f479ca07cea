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
      : (env.XDG_CACHE_HOME ?? path.join(os.homedir(), '.cache'));
  return path.join(base, 'mmedexpert');
}

export const sha256OfFile = (file) =>
  new Promise((resolve, reject) => {
    const hash = createHash('sha256');
    createReadStream(file)
      .on('data', (bytes) => hash.update(bytes))
      .on('end', () => resolve(hash.digest('hex')))
      .on('error', reject);
  });

const alive = (pid) => {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
};

/** Runs `work` while no other set-up of this cache does; the lock of a process that is gone is taken over. */
export async function locked(folder, work) {
  await mkdir(folder, { recursive: true });
  const lock = path.join(folder, 'setup.lock');
  for (let told = false; ;) {
    try {
      await writeFile(lock, String(process.pid), { flag: 'wx' });
      break;
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
    }
    const holder = Number(await readFile(lock, 'utf8').catch(() => ''));
    const age =
      Date.now() -
      (await stat(lock).then(
        ({ mtimeMs }) => mtimeMs,
        () => 0,
      ));
    if (holder > 0 ? !alive(holder) : age > 5000) {
      await rm(lock, { force: true });
      continue;
    }
    if (!told) process.stderr.write(`set-up: waiting for another set-up (process ${holder})\n`);
    told = true;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  try {
    return await work();
  } finally {
    await rm(lock, { force: true });
  }
}

/** Makes a folder by `fill`ing a temporary one and moving it into place, so that it is there whole or not at all. */
export async function makeFolder(folder, fill) {
  const temporary = `${folder}.${process.pid}.part`;
  await rm(temporary, { recursive: true, force: true });
  await mkdir(temporary, { recursive: true });
  try {
    await fill(temporary);
    await rm(folder, { recursive: true, force: true });
    await rename(temporary, folder);
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

export const exists = (file) =>
  stat(file).then(
    () => true,
    () => false,
  );
