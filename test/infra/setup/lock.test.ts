import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { locked } from '../../../infra/setup/lock.mjs';

const MODULE = pathToFileURL(path.resolve(import.meta.dirname, '../../../infra/setup/lock.mjs')).href;
/** Adds one to a number in a file, as slowly as it takes for two at once to lose one. */
const COUNT = `
import { readFile, writeFile } from 'node:fs/promises';
import { locked } from ${JSON.stringify(MODULE)};
const [lock, file] = process.argv.slice(1);
await locked(lock, async () => {
  const count = Number(await readFile(file, 'utf8'));
  await new Promise((resolve) => setTimeout(resolve, 20));
  await writeFile(file, String(count + 1));
});`;
const HOLD = `
import { locked } from ${JSON.stringify(MODULE)};
await locked(process.argv[1], async () => {
  process.stdout.write('held');
  await new Promise((resolve) => setTimeout(resolve, 60_000));
});`;

describe('the lock of set-up', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(path.join(os.tmpdir(), 'mmedexpert-lock-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  it('lets one process in at a time', async () => {
    const file = path.join(folder, 'count');
    await writeFile(file, '0');
    const args = ['--input-type=module', '-e', COUNT, path.join(folder, 'counting'), file];
    const codes = await Promise.all(
      Array.from(
        { length: 6 },
        () =>
          new Promise((resolve) => spawn(process.execPath, args, { stdio: 'inherit' }).once('exit', resolve)),
      ),
    );
    expect(codes).toEqual([0, 0, 0, 0, 0, 0]);
    expect(await readFile(file, 'utf8')).toBe('6');
  });

  it('takes over from a process that was killed', async () => {
    const lock = path.join(folder, 'killed');
    const child = spawn(process.execPath, ['--input-type=module', '-e', HOLD, lock]);
    await new Promise((resolve) => child.stdout.once('data', resolve));
    const heard: string[] = [];
    const mine = locked(
      lock,
      async () => 'mine',
      (holder) => {
        heard.push(holder);
        child.kill('SIGKILL');
      },
    );
    expect(await mine).toBe('mine');
    expect(heard).toEqual([String(child.pid)]);
  });

  it('is free again after work that failed', async () => {
    const lock = path.join(folder, 'failed');
    await expect(locked(lock, () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(await locked(lock, async () => 1)).toBe(1);
  });
});
