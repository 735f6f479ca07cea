import { execFileSync, spawn } from 'node:child_process';
import { mkdir, open, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { workerVersion } from '../code-version.ts';
import { knownTeacher, TEACHER_KEY } from '../demo/teacher-access.ts';
import { homeFolders, type Home } from '../home.ts';
import { QUEUE_NAMES, type QueueName } from '../runs/queues.ts';

const CLI = fileURLToPath(new URL('../cli/mmedexpert.mjs', import.meta.url));

const WorkerEntry = z.strictObject({
  name: z.string(),
  pid: z.int().positive(),
  queues: z.array(z.string()),
  device: z.string().nullable(),
});
const WorkersFile = z.strictObject({
  version: z.literal(1),
  code: z.string(),
  workers: z.array(WorkerEntry),
});

/** One worker process as `up` started it. */
export type WorkerStatus = z.infer<typeof WorkerEntry> & { readonly alive: boolean };

const alive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

async function readWorkers(home: Home): Promise<z.infer<typeof WorkersFile> | undefined> {
  try {
    return WorkersFile.parse(JSON.parse(await readFile(home.workersFile, 'utf8')));
  } catch {
    return undefined;
  }
}

/** NVIDIA devices by index; one entry without a device where there is none. */
function devices(): (string | null)[] {
  if (process.env['MMEDEXPERT_ACCELERATOR'] === 'cpu') return [null];
  try {
    const listed = execFileSync('nvidia-smi', ['--query-gpu=index', '--format=csv,noheader'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const indices = listed.split('\n').filter(Boolean);
    return indices.length > 0 ? indices : [null];
  } catch {
    return [null];
  }
}

async function launch(
  home: Home,
  name: string,
  queues: readonly QueueName[],
  device: string | null,
): Promise<z.infer<typeof WorkerEntry>> {
  await mkdir(home.logs, { recursive: true });
  const log = await open(path.join(home.logs, `${name}.log`), 'a');
  const child = spawn(process.execPath, [CLI, 'worker', ...queues.flatMap((queue) => ['--queue', queue])], {
    detached: true,
    stdio: ['ignore', log.fd, log.fd],
    env: device === null ? process.env : { ...process.env, CUDA_VISIBLE_DEVICES: device },
  });
  child.unref();
  await log.close();
  if (child.pid === undefined) throw new Error(`the worker ${name} could not be started`);
  return { name, pid: child.pid, queues: [...queues], device };
}

/** The workers of this home, whether they live or not. */
export async function workerStatus(): Promise<WorkerStatus[]> {
  const file = await readWorkers(homeFolders());
  return (file?.workers ?? []).map((worker) => ({ ...worker, alive: alive(worker.pid) }));
}

/**
 * Starts the workers of this machine and leaves them running: one that orchestrates and waits, one for plain stages, and
 * one for computing ones per device. Living ones of the same code are kept, others replaced.
 */
export async function startWorkers(): Promise<void> {
  const home = homeFolders();
  // Workers that were started before the demo's teacher had a key would not have it.
  const teacher = await knownTeacher(home);
  if (teacher) process.env[TEACHER_KEY] ??= teacher.key;
  const code = `${await workerVersion()}${process.env[TEACHER_KEY] === undefined ? '' : '+teacher'}`;
  const before = await readWorkers(home);
  if (before && before.code !== code) await stopWorkers();
  const kept = (before?.code === code ? before.workers : []).filter(({ pid }) => alive(pid));
  const wanted: [string, QueueName[], string | null][] = [
    ['orchestrate', ['orchestrate', 'wait'], null],
    ['cpu', ['cpu'], null],
    ...devices().map((device, i): [string, QueueName[], string | null] => [
      `gpu-${device ?? i}`,
      ['gpu'],
      device,
    ]),
  ];
  const workers = [];
  for (const [name, queues, device] of wanted)
    workers.push(kept.find((worker) => worker.name === name) ?? (await launch(home, name, queues, device)));
  await mkdir(path.dirname(home.workersFile), { recursive: true });
  await writeFile(home.workersFile, JSON.stringify({ version: 1, code, workers }, null, 2));
}

/** Starts again those workers of this home that died; who it was is returned by name. */
export async function reviveWorkers(): Promise<string[]> {
  const home = homeFolders();
  const file = await readWorkers(home);
  const dead = file?.workers.filter(({ pid }) => !alive(pid)) ?? [];
  if (file === undefined || dead.length === 0) return [];
  const workers = [];
  for (const worker of file.workers) {
    const queues = z.array(z.enum(QUEUE_NAMES)).parse(worker.queues);
    workers.push(alive(worker.pid) ? worker : await launch(home, worker.name, queues, worker.device));
  }
  await writeFile(home.workersFile, JSON.stringify({ ...file, workers }, null, 2));
  return dead.map(({ name }) => name);
}

/** Asks the workers to stop and waits until they have; those that do not within `graceMs` are killed. */
export async function stopWorkers(graceMs = 30_000): Promise<void> {
  const home = homeFolders();
  const running = (await workerStatus()).filter((worker) => worker.alive);
  for (const { pid } of running) process.kill(pid, 'SIGTERM');
  const deadline = Date.now() + graceMs;
  while (running.some(({ pid }) => alive(pid)) && Date.now() < deadline)
    await new Promise((resolve) => setTimeout(resolve, 50));
  for (const { pid } of running) if (alive(pid)) process.kill(pid, 'SIGKILL');
  await rm(home.workersFile, { force: true });
}
