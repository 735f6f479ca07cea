import { execFile, spawn } from 'node:child_process';
import { mkdir, open, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { waitForPort } from './ports.ts';

/** A local server that did not start. The message holds the end of its log. */
export class ServerFailed extends Error {
  override readonly name = 'ServerFailed';
}

export interface DaemonSpec {
  readonly name: string;
  readonly program: string;
  readonly args: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  /** Accepts connections once the program serves. */
  readonly port: number;
  readonly logs: string;
}

/** Starts a program that outlives this process, waits until its port answers, and returns its process id. */
export async function startDaemon({ name, program, args, env, port, logs }: DaemonSpec): Promise<number> {
  await mkdir(logs, { recursive: true });
  const file = path.join(logs, `${name}.log`);
  const log = await open(file, 'a');
  const { size: before } = await stat(file);
  let ended: string | undefined;
  const child = spawn(program, args, {
    detached: true,
    stdio: ['ignore', log.fd, log.fd],
    env: env ?? process.env,
  });
  child.once('error', (error) => (ended = error.message));
  child.once('exit', (code, signal) => (ended = `it ended with ${signal ?? `exit code ${code}`}`));
  try {
    await waitForPort(port, () => ended);
  } catch (error) {
    child.kill('SIGKILL');
    const said = (await readFile(file))
      .subarray(before)
      .toString('utf8')
      .trim()
      .split('\n')
      .slice(-4)
      .join('\n  ');
    throw new ServerFailed(
      `the ${name} server did not start (${(error as Error).message})${said === '' ? '' : `:\n  ${said}`}\n  its log is ${file}`,
      { cause: error },
    );
  } finally {
    await log.close();
  }
  child.unref();
  child.removeAllListeners();
  return child.pid as number;
}

const exists = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
};

/** Whether a process id still belongs to the program that it was noted for: after a restart of the machine it may not. */
export async function isRunning(pid: number, program: string): Promise<boolean> {
  if (!exists(pid)) return false;
  const command = await promisify(execFile)('ps', ['-p', String(pid), '-o', 'stat=,args=']).then(
    ({ stdout }) => stdout,
    () => program,
  );
  return !command.startsWith('Z') && command.includes(program);
}

/** Asks a process to end, and ends it where it has not within ten seconds. */
export async function stopDaemon(pid: number): Promise<void> {
  process.kill(pid, 'SIGTERM');
  for (let i = 0; i < 400 && exists(pid); i++) await sleep(25);
  if (exists(pid)) process.kill(pid, 'SIGKILL');
}
