import { randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import type { Home } from '../home.ts';
import { findBinary } from './binaries.ts';
import { type DaemonSpec, ServerFailed, startDaemon } from './daemon.ts';
import { freePort } from './ports.ts';
import { type Credentials, readCredentials, type ServersFile, writeJson } from './servers-file.ts';

/** Starts a server on the port that `spec` is asked for last: where another process takes it first, on another one. */
async function onSomePort(
  preferred: number,
  spec: (port: number) => Promise<DaemonSpec>,
): Promise<{ pid: number; port: number }> {
  for (let attempt = 0; ; attempt++) {
    const port = await freePort(attempt === 0 ? preferred : 0);
    try {
      return { pid: await startDaemon(await spec(port)), port };
    } catch (error) {
      const taken = error instanceof ServerFailed && /address already in use|EADDRINUSE/i.test(error.message);
      if (!taken || attempt === 3) throw error;
    }
  }
}

/** Starts Temporal's development server over the home's database, on the preferred ports where they are free. */
export async function startTemporal(
  home: Home,
  namespace: string,
  preferred = { port: 7233, ui: 8233 },
): Promise<NonNullable<ServersFile['temporal']>> {
  const program = await findBinary('temporal');
  await mkdir(home.root, { recursive: true });
  let ui = 0;
  const { pid, port } = await onSomePort(preferred.port, async (port) => {
    ui = await freePort(preferred.ui);
    const args = [
      'server',
      'start-dev',
      '--ip',
      '127.0.0.1',
      '--port',
      String(port),
      '--ui-port',
      String(ui),
    ];
    args.push('--metrics-port', String(await freePort()), '--db-filename', home.temporalDatabase);
    args.push('--namespace', namespace, '--log-level', 'warn');
    // The default lets through some ten sequential steps a second.
    args.push('--dynamic-config-value', 'history.transferProcessorMaxPollRPS=1000');
    return { name: 'temporal', program, args, port, logs: home.logs };
  });
  return { pid, address: `127.0.0.1:${port}`, ui: `http://127.0.0.1:${ui}` };
}

async function credentials(home: Home): Promise<Credentials> {
  const known = await readCredentials(home);
  if (known) return known;
  const made = { accessKey: randomBytes(10).toString('hex'), secretKey: randomBytes(20).toString('hex') };
  await writeJson(home.credentialsFile, made, 0o600);
  return made;
}

/**
 * Starts versitygw over the home's folder, on the preferred port where it is free. What S3 knows of an object it keeps in
 * extended attributes, on a file system without them in a folder beside.
 */
export async function startS3(home: Home, preferred = 7070): Promise<NonNullable<ServersFile['s3']>> {
  const program = await findBinary('versitygw');
  const { accessKey, secretKey } = await credentials(home);
  await mkdir(home.s3Data, { recursive: true });
  const env = { ...process.env, ROOT_ACCESS_KEY: accessKey, ROOT_SECRET_KEY: secretKey };
  const start = (posix: readonly string[]) =>
    onSomePort(preferred, async (port) => {
      const args = ['--port', `127.0.0.1:${port}`, '--keep-alive', '--quiet', 'posix', ...posix, home.s3Data];
      return { name: 's3', program, args, env, port, logs: home.logs };
    });
  const { pid, port } = await start([]).catch(async (error: unknown) => {
    if (!(error instanceof ServerFailed && /xattr|extended attribute/i.test(error.message))) throw error;
    // versitygw takes any folder whose name begins with that of the data for one inside it.
    const beside = path.join(home.root, 'attributes');
    await mkdir(beside, { recursive: true });
    return start(['--sidecar', beside]);
  });
  return { pid, endpoint: `http://127.0.0.1:${port}` };
}
