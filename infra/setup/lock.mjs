import { mkdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** A holder touches its lock this often; one that has not for {@link STALE_MS} is taken for gone. */
const BEAT_MS = 5000;
const STALE_MS = 60_000;

const alive = (pid) => {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
};

/** Whether the holder that a lock names is gone. A process of another machine is known by its beat alone. */
async function abandoned(lock, holder) {
  const { mtimeMs } = await stat(lock);
  if (Date.now() - mtimeMs > STALE_MS) return true;
  const [pid, host] = holder.trim().split(' ');
  // A lock that was made but not yet written to names nobody.
  return host === os.hostname() && !alive(Number(pid));
}

/** Removes a lock whose holder is gone, and puts it back where another process renewed it meanwhile. */
async function takeAway(lock, holder) {
  const aside = `${lock}.${process.pid}`;
  await rename(lock, aside);
  const found = await readFile(aside, 'utf8');
  if (found !== holder) await writeFile(lock, found, { flag: 'wx' });
  await rm(aside, { force: true });
}

/**
 * Runs `work` while no other process runs work under the same lock file, and waits for its turn. The lock of a process
 * that is gone is taken over.
 */
export async function locked(lock, work, tell = () => {}) {
  await mkdir(path.dirname(lock), { recursive: true });
  const mine = `${process.pid} ${os.hostname()}\n`;
  for (let told = false; ;) {
    try {
      await writeFile(lock, mine, { flag: 'wx' });
      break;
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
    }
    // Between any two of these steps the holder may be done and its lock gone: then it is simply tried again.
    const holder = await readFile(lock, 'utf8').catch(() => undefined);
    if (holder === undefined) continue;
    if (await abandoned(lock, holder).catch(() => false)) {
      await takeAway(lock, holder).catch(() => {});
      continue;
    }
    if (!told) tell(holder.trim().split(' ')[0]);
    told = true;
    await sleep(100);
  }
  const beat = setInterval(() => {
    const now = new Date();
    utimes(lock, now, now).catch(() => {});
  }, BEAT_MS);
  try {
    return await work();
  } finally {
    clearInterval(beat);
    await rm(lock, { force: true });
  }
}
