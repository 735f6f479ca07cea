import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, open, readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import type { Home } from '../home.ts';
import { findBinary } from './binaries.ts';
import { answers, freePort, waitForPort } from './ports.ts';
import {
  readCredentials,
  readServersFile,
  writeJson,
  type Credentials,
  type ServersFile,
} from './servers-file.ts';

const alive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

const portOf = (address: string): number => Number(address.slice(address.lastIndexOf(':') + 1));

/** Starts a program that outlives this process, its output going to a log file, and waits until its port answers. */
async function daemon(
  home: Home,
  name: string,
  program: string,
  args: readonly string[],
  port: number,
  env: NodeJS.ProcessEnv = process.env,
): Promise<number> {
  await mkdir(home.logs, { recursive: true });
  const file = path.join(home.logs, `${name}.log`);
  const log = await open(file, 'a');
  const child = spawn(program, args, { detached: true, stdio: ['ignore', log.fd, log.fd], env });
  let ended: string | undefined;
  child.once('error', (error) => (ended = `${program}: ${error.message}`));
  child.once('exit', (code) => (ended = `${name} ended with exit code ${code}`));
  try {
    await waitForPort(port, () => ended);
  } catch (error) {
    const tail = (await readFile(file, 'utf8')).trim().split('\n').slice(-3).join(' | ');
    throw new Error(`${name} did not start (${(error as Error).message}): ${tail}; its log is ${file}`, {
      cause: error,
    });
  } finally {
    await log.close();
  }
  child.unref();
  if (child.pid === undefined) throw new Error(`${name} did not start`);
  return child.pid;
}

async function startTemporal(home: Home): Promise<NonNullable<ServersFile['temporal']>> {
  const port = await freePort(7233);
  const ui = await freePort(8233);
  const metrics = await freePort();
  const pid = await daemon(
    home,
    'temporal',
    await findBinary('temporal'),
    [
      ...['server', 'start-dev', '--ip', '127.0.0.1', '--port', String(port), '--ui-port', String(ui)],
      ...['--metrics-port', String(metrics), '--db-filename', home.temporalDatabase, '--log-level', 'warn'],
      // The default lets through some ten sequential steps a second.
      ...['--dynamic-config-value', 'history.transferProcessorMaxPollRPS=1000'],
    ],
    port,
  );
  return { pid, address: `127.0.0.1:${port}`, ui: `http://127.0.0.1:${ui}` };
}

async function credentials(home: Home): Promise<Credentials> {
  const known = await readCredentials(home);
  if (known) return known;
  const made = { accessKey: randomBytes(10).toString('hex'), secretKey: randomBytes(20).toString('hex') };
  await writeJson(home.credentialsFile, made, 0o600);
  return made;
}

async function startS3(home: Home): Promise<NonNullable<ServersFile['s3']>> {
  const { accessKey, secretKey } = await credentials(home);
  const port = await freePort(7070);
  await mkdir(home.s3Data, { recursive: true });
  const pid = await daemon(
    home,
    's3',
    await findBinary('versitygw'),
    ['--port', `127.0.0.1:${port}`, '--quiet', 'posix', home.s3Data],
    port,
    { ...process.env, ROOT_ACCESS_KEY: accessKey, ROOT_SECRET_KEY: secretKey },
  );
  return { pid, endpoint: `http://127.0.0.1:${port}` };
}

/** Servers of this home that run and answer. */
export async function runningServers(home: Home): Promise<Omit<ServersFile, 'version'>> {
  const known = await readServersFile(home);
  const up = async (server: { pid: number } | undefined, address: string | undefined) =>
    server !== undefined && address !== undefined && alive(server.pid) && (await answers(portOf(address)));
  const [temporal, s3] = await Promise.all([
    up(known?.temporal, known?.temporal?.address),
    up(known?.s3, known?.s3?.endpoint),
  ]);
  return {
    ...(temporal && known?.temporal ? { temporal: known.temporal } : {}),
    ...(s3 && known?.s3 ? { s3: known.s3 } : {}),
  };
}

/**
 * Joins the local servers of a home or starts those that do not run; they go on when this process ends. A server that
 * the environment names (`TEMPORAL_ADDRESS`, `S3_ENDPOINT`) is used instead and none is started for it.
 */
export async function ensureServers(home: Home, env: NodeJS.ProcessEnv = process.env): Promise<ServersFile> {
  const running = await runningServers(home);
  const [temporal, s3] = await Promise.all([
    env['TEMPORAL_ADDRESS'] ? undefined : (running.temporal ?? startTemporal(home)),
    env['S3_ENDPOINT'] ? undefined : (running.s3 ?? startS3(home)),
  ]);
  const servers: ServersFile = { version: 1, ...(temporal ? { temporal } : {}), ...(s3 ? { s3 } : {}) };
  await writeJson(home.serversFile, servers);
  return servers;
}

/** Stops the local servers of a home; their data stay. */
export async function stopServers(home: Home): Promise<string[]> {
  const known = await readServersFile(home);
  const stopped: string[] = [];
  for (const name of ['temporal', 's3'] as const) {
    const pid = known?.[name]?.pid;
    if (pid === undefined || !alive(pid)) continue;
    process.kill(pid, 'SIGTERM');
    for (let i = 0; i < 100 && alive(pid); i++) await new Promise((resolve) => setTimeout(resolve, 50));
    if (alive(pid)) process.kill(pid, 'SIGKILL');
    stopped.push(name);
  }
  await rm(home.serversFile, { force: true });
  return stopped;
}
