import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connectMinio, type MinioSettings } from '../../artifacts/minio-port.ts';
import type { ObjectPort } from '../../artifacts/object-port.ts';
import { findBinary } from '../../infra/servers/binaries.ts';

const versitygw = await findBinary('versitygw').catch(() => undefined);
export const hasS3 = versitygw !== undefined;

/** A real S3 server of one test file, over a folder whose objects a test can damage. */
export interface S3 {
  /** Folder that holds everything of this test file; removed with the server. */
  readonly scratch: string;
  readonly settings: Omit<MinioSettings, 'bucket'>;
  /** A port on a bucket of its own. */
  bucket(settings?: Partial<MinioSettings>): Promise<ObjectPort>;
  /** File of an object. */
  fileOf(port: ObjectPort, key: string): string;
  /** A folder with these files. */
  folder(files: Record<string, string | Uint8Array>): Promise<string>;
  start(): Promise<void>;
  kill(): Promise<void>;
  stop(): Promise<void>;
}

export async function startS3(): Promise<S3> {
  if (versitygw === undefined) throw new Error('no versitygw binary');
  const scratch = await mkdtemp(path.join(os.tmpdir(), 'mmedexpert-store-'));
  const data = path.join(scratch, 'data');
  await mkdir(data);
  const port = await freePort();
  const endpoint = `http://127.0.0.1:${port}`;
  const settings = { endpoint, accessKey: 'test', secretKey: 'test-secret' };
  const ports: ObjectPort[] = [];
  let child: ChildProcess | undefined;
  let made = 0;
  const s3: S3 = {
    scratch,
    settings,
    bucket: async (more = {}) => {
      made += 1;
      const opened = await connectMinio({ ...settings, bucket: `test-${made}`, timeoutMs: 10_000, ...more });
      ports.push(opened);
      return opened;
    },
    fileOf: (opened, key) => path.join(data, opened.description.split('/').at(-1) ?? '', key),
    folder: async (files) => {
      const folder = await mkdtemp(path.join(scratch, 'folder-'));
      for (const [name, bytes] of Object.entries(files)) {
        await mkdir(path.dirname(path.join(folder, name)), { recursive: true });
        await writeFile(path.join(folder, name), bytes);
      }
      return folder;
    },
    start: async () => {
      const flags = [
        '--port',
        `127.0.0.1:${port}`,
        '--access',
        'test',
        '--secret',
        'test-secret',
        '--keep-alive',
        '-q',
      ];
      child = spawn(versitygw, [...flags, 'posix', data], {
        stdio: 'ignore',
        env: { PATH: process.env['PATH'] },
      });
      for (let tries = 0; tries < 200; tries++) {
        if (await answers(endpoint)) return;
        await sleep(25);
      }
      throw new Error(`versitygw does not answer at ${endpoint}`);
    },
    kill: async () => {
      const ended = new Promise((resolve) => child?.once('exit', resolve));
      if (child?.kill('SIGKILL')) await ended;
    },
    stop: async () => {
      for (const opened of ports) opened.close();
      await s3.kill();
      await rm(scratch, { recursive: true, force: true });
    },
  };
  await s3.start();
  return s3;
}

async function answers(endpoint: string): Promise<boolean> {
  try {
    await fetch(endpoint, { signal: AbortSignal.timeout(1000) });
    return true;
  } catch {
    return false;
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address ? address.port : 0;
}

/** A port that counts the calls of each kind that reach the server through it. */
export function counting(port: ObjectPort): {
  port: ObjectPort;
  counts: Record<'put' | 'get' | 'head' | 'list', number>;
} {
  const counts = { put: 0, get: 0, head: 0, list: 0 };
  return {
    counts,
    port: {
      description: port.description,
      put: (...args) => (counts.put++, port.put(...args)),
      get: (...args) => (counts.get++, port.get(...args)),
      head: (...args) => (counts.head++, port.head(...args)),
      list: (...args) => (counts.list++, port.list(...args)),
      delete: (...args) => port.delete(...args),
      close: () => port.close(),
    },
  };
}

/** `size` bytes that no other seed gives. */
export function bytesOf(size: number, seed = 1): Buffer {
  const words = new Uint32Array(Math.ceil(size / 4));
  let x = seed * 2654435761;
  for (let i = 0; i < words.length; i++) {
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
    words[i] = x;
  }
  return Buffer.from(words.buffer).subarray(0, size);
}
