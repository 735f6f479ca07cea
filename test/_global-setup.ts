import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import type { TestProject } from 'vitest/node';
import { homeFolders } from '../infra/home.ts';
import { MissingBinary } from '../infra/servers/binaries.ts';
import { stopDaemon } from '../infra/servers/daemon.ts';
import { readCredentials } from '../infra/servers/servers-file.ts';
import { startS3, startTemporal } from '../infra/servers/start.ts';
import type { S3Server, TemporalServer } from './_servers.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    temporal: TemporalServer | string;
    s3: S3Server | string;
  }
}

/** The words of a missing program stand in for the server; a test that asks for it fails with them. */
const orWhyNot = async <T>(start: Promise<T>): Promise<T | string> => {
  try {
    return await start;
  } catch (error) {
    if (error instanceof MissingBinary) return error.message;
    throw error;
  }
};

/** One Temporal server and one S3 server for all tests of a run, on free ports, over folders that go with them. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const { env } = process;
  const root = await mkdtemp(path.join(os.tmpdir(), 'mmedexpert-test-'));
  const home = homeFolders({ MMEDEXPERT_HOME: root });
  const pids: number[] = [];
  const endAll = () => pids.forEach((pid) => process.kill(pid, 'SIGKILL'));
  // Set-up builds no server that the environment names, so the tests then use that one.
  const temporal = env['TEMPORAL_ADDRESS']
    ? { address: env['TEMPORAL_ADDRESS'], namespace: env['TEMPORAL_NAMESPACE'] ?? 'default' }
    : orWhyNot(
        startTemporal(home, 'default', { port: 0, ui: 0 }).then(({ pid, address }) => {
          pids.push(pid);
          return { address, namespace: 'default' };
        }),
      );
  const s3 = env['S3_ENDPOINT']
    ? {
        endpoint: env['S3_ENDPOINT'],
        accessKey: env['AWS_ACCESS_KEY_ID'] ?? '',
        secretKey: env['AWS_SECRET_ACCESS_KEY'] ?? '',
        region: env['S3_REGION'] ?? 'us-east-1',
      }
    : orWhyNot(
        startS3(home, 0).then(async ({ pid, endpoint }) => {
          pids.push(pid);
          return { endpoint, region: 'us-east-1', ...(await readCredentials(home))! };
        }),
      );
  process.once('exit', endAll);
  project.provide('temporal', await temporal);
  project.provide('s3', await s3);
  return async () => {
    process.off('exit', endAll);
    await Promise.all(pids.map(stopDaemon));
    await rm(root, { recursive: true, force: true });
  };
}
