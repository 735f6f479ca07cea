/**
 * Entry of the process that computes. It knows folders only: no store, no network, no Temporal. It ends when its
 * parent is gone, since the channel between them closes then.
 */
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { FromParent, type FromChild, type Job } from './child-messages.ts';
import { loadStage } from './stages.ts';

const send = (message: FromChild, sent?: () => void): void =>
  void process.send?.(message, undefined, undefined, sent);
/** The answer is the last thing sent: the channel closes once it has gone out, and with it this process. */
const answer = (message: FromChild): void => send(message, () => process.disconnect());
const stop = new AbortController();
const kept = new Map<number, () => void>();

async function run(job: Job): Promise<void> {
  const stage = await loadStage(job.stage);
  const summary = await stage.run(stage.params.parse(job.params) as never, {
    inputs: job.inputs,
    outputs: job.outputs,
    compute: job.compute,
    resume: job.resume ?? undefined,
    signal: stop.signal,
    progress: (event) => send({ type: 'progress', event }),
    log: (line) => send({ type: 'log', line }),
    checkpoint: async (step, write) => {
      const folder = path.join(job.checkpoints, String(step));
      await mkdir(folder, { recursive: true });
      await write(folder);
      const acknowledged = new Promise<void>((resolve) => kept.set(step, resolve));
      send({ type: 'checkpoint', step, folder });
      await acknowledged;
    },
  });
  answer({ type: 'done', summary: { ...summary } });
}

process.on('message', (raw) => {
  const message = FromParent.parse(raw);
  if (message.type === 'kept') {
    kept.get(message.step)?.();
    kept.delete(message.step);
  } else if (message.type === 'stop') {
    stop.abort(new Error(message.reason));
  } else {
    run(message.job).catch((error: unknown) => {
      const { name, message, stack } = error instanceof Error ? error : new Error(String(error));
      answer({ type: 'failed', name, message, stack: stack ?? '' });
    });
  }
});
// A terminal's Ctrl-C reaches the whole process group; the parent decides when this process stops.
process.on('SIGINT', () => undefined);
process.on('SIGTERM', () => stop.abort(new Error('terminated')));
process.on('disconnect', () => process.exit());
send({ type: 'ready' });
