import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { connectMinio, type MinioSettings } from '../../artifacts/minio-port.ts';
import type { ObjectPort } from '../../artifacts/object-port.ts';
import { homeFolders } from '../../infra/home.ts';
import { findBinary } from '../../infra/servers/binaries.ts';
import { stopDaemon } from '../../infra/servers/daemon.ts';
import { readCredentials } from '../../infra/servers/servers-file.ts';
import { startS3 as startServer } from '../../infra/servers/start.ts';

export const hasS3 = await findBinary('versitygw').then(
  () => true,
  () => false,
);

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
  const scratch = await mkdtemp(path.join(os.tmpdir(), 'mmedexpert-store-'));
  const home = homeFolders({ MMEDEXPERT_HOME: path.join(scratch, 'home') });
  let server = await startServer(home, 0);
  const credentials = await readCredentials(home);
  if (!credentials) throw new Error('the S3 server was started without credentials');
  const settings = { endpoint: server.endpoint, ...credentials };
  const ports: ObjectPort[] = [];
  const killNow = (): void => void process.kill(server.pid, 'SIGKILL');
  process.once('exit', killNow);
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
    fileOf: (opened, key) => path.join(home.s3Data, opened.description.split('/').at(-1) ?? '', key),
    folder: async (files) => {
      const folder = await mkdtemp(path.join(scratch, 'folder-'));
      for (const [name, bytes] of Object.entries(files)) {
        await mkdir(path.dirname(path.join(folder, name)), { recursive: true });
        await writeFile(path.join(folder, name), bytes);
      }
      return folder;
    },
    start: async () => {
      server = await startServer(home, Number(new URL(settings.endpoint).port));
      if (server.endpoint !== settings.endpoint) throw new Error(`came back at ${server.endpoint}`);
    },
    kill: async () => {
      killNow();
      await stopDaemon(server.pid);
    },
    stop: async () => {
      process.off('exit', killNow);
      for (const opened of ports) opened.close();
      await s3.kill().catch(() => undefined);
      await rm(scratch, { recursive: true, force: true });
    },
  };
  return s3;
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
