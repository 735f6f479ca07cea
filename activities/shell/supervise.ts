import { fork } from 'node:child_process';
import type { Progress } from '../../schemas/progress.ts';
import type { StageSummary } from '../stage.ts';
import { FromChild, type FromParent, type Job } from './child-messages.ts';

/** The child ended without an answer: killed, out of memory, crashed. Worth another attempt. */
export class ChildDied extends Error {
  override name = 'ChildDied' as const;
  constructor(stage: string, code: number | null, signal: string | null, tail: string) {
    super(
      `the process computing ${stage} ended with ${signal ?? `exit code ${code}`}` +
        (tail ? `: ${tail}` : ''),
    );
  }
}

/** The stage itself threw: the same inputs would fail again. */
export class StageFailed extends Error {
  override name = 'StageFailed' as const;
  readonly type: string;
  constructor(type: string, message: string, stack: string) {
    super(message);
    this.type = type;
    this.stack = stack;
  }
}

export interface Supervision {
  readonly job: Job;
  /** Environment of the child: what computing needs and nothing else. */
  readonly env: NodeJS.ProcessEnv;
  readonly signal: AbortSignal;
  /** How long a stopped child may take to save its checkpoint, in milliseconds. */
  readonly graceMs: number;
  readonly onProgress: (event: Progress) => void;
  readonly onLog: (line: string) => void;
  /** Keeps a checkpoint; the child goes on when it is kept. */
  readonly onCheckpoint: (step: number, folder: string) => Promise<void>;
}

/** Asks for pages of 2 MB, in which a training step and a decoding step are a tenth faster; only glibc on Linux looks at it. */
const largePages = { GLIBC_TUNABLES: 'glibc.malloc.hugetlb=1' };

/** Variables that a computing child may see: how to find programs and how TensorFlow and its memory are set. */
export function childEnvironment(threads: number, env: NodeJS.ProcessEnv = process.env): NodeJS.ProcessEnv {
  const passed = Object.entries(env).filter(([name]) =>
    /^(PATH|HOME|LANG|LC_ALL|TMPDIR|GLIBC_TUNABLES|XDG_CACHE_HOME|LD_LIBRARY_PATH|CUDA_VISIBLE_DEVICES|TF_.*|MMEDEXPERT_(CACHE|ACCELERATOR))$/.test(
      name,
    ),
  );
  return { ...largePages, ...Object.fromEntries(passed), TF_NUM_INTRAOP_THREADS: String(threads) };
}

/**
 * Runs a stage in a process of its own and waits for its answer.
 * Throws {@link ChildDied} where it ends without one, {@link StageFailed} where the stage threw, and the signal's reason
 * where it was stopped.
 */
export function supervise(run: Supervision): Promise<StageSummary> {
  const child = fork(new URL('./child.ts', import.meta.url), {
    execArgv: ['--import', import.meta.resolve('tsx'), '--max-old-space-size=16384'],
    env: run.env,
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  const tell = (message: FromParent) => {
    if (child.connected) child.send(message);
  };
  let tail = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      tail = (tail + text).slice(-2000);
      text.split('\n').filter(Boolean).forEach(run.onLog);
    });
  }
  return new Promise((resolve, reject) => {
    let answer: (() => void) | undefined;
    let killer: NodeJS.Timeout | undefined;
    const onStop = () => {
      const reason: unknown = run.signal.reason;
      tell({ type: 'stop', reason: reason instanceof Error ? reason.message : String(reason) });
      killer = setTimeout(() => child.kill('SIGKILL'), run.graceMs);
    };
    if (run.signal.aborted) onStop();
    run.signal.addEventListener('abort', onStop, { once: true });
    child.on('message', (raw) => {
      const message = FromChild.parse(raw);
      switch (message.type) {
        case 'ready':
          return tell({ type: 'start', job: run.job });
        case 'progress':
          return run.onProgress(message.event);
        case 'log':
          return run.onLog(message.line);
        case 'checkpoint':
          run.onCheckpoint(message.step, message.folder).then(
            () => tell({ type: 'kept', step: message.step }),
            (error: unknown) => {
              answer = () => reject(error);
              child.kill('SIGKILL');
            },
          );
          return undefined;
        case 'done':
          answer = () => resolve(message.summary as StageSummary);
          return undefined;
        case 'failed':
          answer = () => reject(new StageFailed(message.name, message.message, message.stack));
          return undefined;
        default:
          return undefined;
      }
    });
    child.on('error', reject);
    child.on('close', (code, signal) => {
      clearTimeout(killer);
      run.signal.removeEventListener('abort', onStop);
      if (run.signal.aborted) reject(run.signal.reason);
      else if (answer) answer();
      else reject(new ChildDied(run.job.stage, code, signal, tail.trim().split('\n').slice(-3).join(' | ')));
    });
  });
}
