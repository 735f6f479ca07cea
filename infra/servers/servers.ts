import { rm } from 'node:fs/promises';
import path from 'node:path';
import type { Home } from '../home.ts';
import { locked } from '../setup/lock.mjs';
import { loadTemporalConfig, storeAddress, temporalAddress } from '../temporal-config.ts';
import { isRunning, stopDaemon } from './daemon.ts';
import { answers } from './ports.ts';
import { readServersFile, type ServersFile, writeJson } from './servers-file.ts';
import { startS3, startTemporal } from './start.ts';

const PROGRAMS = { temporal: 'temporal', s3: 'versitygw' } as const;

const portOf = (url: string): number => Number(url.slice(url.lastIndexOf(':') + 1));

const serves = async (pid: number | undefined, url: string | undefined, program: string): Promise<boolean> =>
  pid !== undefined && url !== undefined && (await isRunning(pid, program)) && (await answers(portOf(url)));

/** Servers of this home that run and answer. */
export async function runningServers(home: Home): Promise<Omit<ServersFile, 'version'>> {
  const known = await readServersFile(home);
  const [temporal, s3] = await Promise.all([
    serves(known?.temporal?.pid, known?.temporal?.address, PROGRAMS.temporal),
    serves(known?.s3?.pid, known?.s3?.endpoint, PROGRAMS.s3),
  ]);
  return {
    ...(temporal && known?.temporal ? { temporal: known.temporal } : {}),
    ...(s3 && known?.s3 ? { s3: known.s3 } : {}),
  };
}

const lockOf = (home: Home): string => path.join(home.root, 'servers.lock');

/**
 * Joins the local servers of a home or starts those that do not run; they go on when this process ends. Where the
 * environment, a profile or `temporal.config.ts` names a server, none is started for it.
 */
export async function ensureServers(home: Home, env: NodeJS.ProcessEnv = process.env): Promise<ServersFile> {
  const config = await loadTemporalConfig();
  const { address, namespace } = temporalAddress(config, env);
  const { endpoint } = storeAddress(config, env);
  return locked(lockOf(home), async () => {
    const [before, running] = await Promise.all([readServersFile(home), runningServers(home)]);
    // Workers that run keep the addresses they were started with: a server comes back where it was.
    const ports = {
      temporal: before?.temporal && { port: portOf(before.temporal.address), ui: portOf(before.temporal.ui) },
      s3: before?.s3 && portOf(before.s3.endpoint),
    };
    const started = await Promise.allSettled([
      running.temporal ??
        (address === undefined ? startTemporal(home, namespace, ports.temporal) : undefined),
      running.s3 ?? (endpoint === undefined ? startS3(home, ports.s3) : undefined),
    ]);
    const [temporal, s3] = started.map((result) =>
      result.status === 'fulfilled' ? result.value : undefined,
    ) as [ServersFile['temporal'], ServersFile['s3']];
    const servers: ServersFile = { version: 1, ...(temporal ? { temporal } : {}), ...(s3 ? { s3 } : {}) };
    // Written before a failure is told, so that `down` finds the server that did start.
    await writeJson(home.serversFile, servers);
    const failed = started.find((result) => result.status === 'rejected');
    if (failed) throw failed.reason;
    return servers;
  });
}

/** Stops the local servers of a home and names those that ran; their data stay. */
export async function stopServers(home: Home): Promise<string[]> {
  return locked(lockOf(home), async () => {
    const known = await readServersFile(home);
    const stopped = await Promise.all(
      (['temporal', 's3'] as const).map(async (name) => {
        const pid = known?.[name]?.pid;
        if (pid === undefined || !(await isRunning(pid, PROGRAMS[name]))) return [];
        await stopDaemon(pid);
        return [name];
      }),
    );
    await rm(home.serversFile, { force: true });
    return stopped.flat();
  });
}
