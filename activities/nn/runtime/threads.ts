import { Worker } from 'node:worker_threads';

/** Does one block of a task. Tasks and results are what can be cloned between threads. */
export type Perform<Task, Result> = (task: Task, block: number) => Result;

/** Threads that share the blocks of a task. */
export interface Threads<Task, Result> extends AsyncDisposable {
  /** The results of all blocks, in their order, whichever thread did them. */
  run(task: Task, blocks: number): Promise<Result[]>;
}

/** A thread ended by itself or could not be started. */
export class ThreadDied extends Error {
  override readonly name = 'ThreadDied';
}

interface Answer<Result> {
  readonly id: number;
  readonly results?: readonly (readonly [number, Result])[];
  readonly error?: unknown;
}

interface Waiting<Result> {
  readonly resolve: (results: readonly (readonly [number, Result])[]) => void;
  readonly reject: (error: unknown) => void;
}

const startWorker = <Result>(module: URL) => {
  const worker = new Worker(new URL('./thread.mjs', import.meta.url), {
    workerData: { module: module.href },
    execArgv: [],
  });
  const waiting = new Map<number, Waiting<Result>>();
  let dead: Error | undefined;
  const die = (cause: unknown): void => {
    dead ??= new ThreadDied(`a thread of ${module.pathname} ended: ${String(cause)}`, { cause });
    for (const { reject } of waiting.values()) reject(dead);
    waiting.clear();
  };
  worker.on('error', die);
  worker.on('exit', (code) => die(`exit code ${code}`));
  worker.on('message', ({ id, results, error }: Answer<Result>) => {
    const { resolve, reject } = waiting.get(id)!;
    waiting.delete(id);
    if (results === undefined) reject(error);
    else resolve(results);
  });
  return {
    run: (message: { id: number; task: unknown; blocks: number; next: Int32Array }) =>
      new Promise<readonly (readonly [number, Result])[]>((resolve, reject) => {
        if (dead) return reject(dead);
        waiting.set(message.id, { resolve, reject });
        worker.postMessage(message, []);
      }),
    end: () => worker.terminate(),
  };
};

/** Starts `count` threads on a module that exports `perform`; they end when disposed of, at once, whatever they are doing. */
export const openThreads = <Task, Result>(module: URL, count: number): Threads<Task, Result> => {
  const workers = Array.from({ length: count }, () => startWorker<Result>(module));
  let tasks = 0;
  return {
    async run(task, blocks) {
      const message = { id: tasks++, task, blocks, next: new Int32Array(new SharedArrayBuffer(4)) };
      const parts = await Promise.all(workers.map((worker) => worker.run(message)));
      const results: Result[] = [];
      for (const [block, result] of parts.flat()) results[block] = result;
      return results;
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(workers.map((worker) => worker.end()));
    },
  };
};

/** The same in this thread, for tasks that are not worth others. */
export const thisThread = <Task, Result>(perform: Perform<Task, Result>): Threads<Task, Result> => ({
  run: async (task, blocks) => Array.from({ length: blocks }, (_, block) => perform(task, block)),
  [Symbol.asyncDispose]: async () => {},
});
