import { Report } from '../../schemas/report.ts';
import type { RunProgress } from '../../schemas/step.ts';
import { renderTable } from '../cli/table.ts';
import type { Connection } from '../connect.ts';
import { followRun } from './follow.ts';
import { doneLine, runningLine } from './progress-lines.ts';

/** What is left to say when a run has ended. */
export interface Finished {
  readonly text: string;
  readonly document: RunProgress & { readonly report?: Report; readonly seconds: number };
}

/** Prints steps to stderr as they come to rest; on a terminal, the running ones on a last line that is rewritten. */
function progressPrinter(): { readonly show: (progress: RunProgress) => void; readonly end: () => void } {
  const tty = process.stderr.isTTY;
  const shown = new Set<string>();
  let lastBeat = 0;
  const clear = () => void (tty && process.stderr.write('\r\u001b[2K'));
  return {
    show(progress) {
      clear();
      for (const state of progress.steps) {
        const rest = state.state === 'done' || state.state === 'failed';
        if (!rest || shown.has(state.step)) continue;
        shown.add(state.step);
        process.stderr.write(`  ${doneLine(state)}\n`);
      }
      const running = runningLine(progress);
      if (running === '') return;
      if (tty) process.stderr.write(`  … ${running}`.slice(0, (process.stderr.columns ?? 100) - 1));
      else if (Date.now() - lastBeat > 15_000) {
        lastBeat = Date.now();
        process.stderr.write(`  … ${running}\n`);
      }
    },
    end: clear,
  };
}

const count = (progress: RunProgress, verdict: string): number =>
  progress.steps.filter((state) => state.verdict === verdict).length;

const digestLine = (name: string, digest: string): string => `  ${name.padEnd(16)} ${digest}\n`;

/** Digests of the adapters and merged models of a run, by name. */
function madeBy(progress: RunProgress): string {
  return progress.steps
    .flatMap(({ step, stage, outputs }) => {
      const name = stage === 'merge' ? 'model' : 'adapter';
      const made = ['sft', 'gba', 'merge'].includes(stage) ? outputs[name] : undefined;
      return made ? [digestLine(step, made.digest)] : [];
    })
    .toSorted()
    .join('');
}

/** Follows a run to its end and words the result: the table, what was computed, and where to look further. */
export async function finishRun(
  connection: Connection,
  runId: string,
  signal?: AbortSignal,
): Promise<Finished> {
  const { store, client } = connection;
  const started = Date.now();
  const printer = progressPrinter();
  const progress = await followRun(client, store.id, runId, printer.show, signal);
  printer.end();
  const seconds = Math.round((Date.now() - started) / 100) / 10;
  if (progress.status !== 'done') {
    const failed = progress.steps.filter(({ state }) => state === 'failed');
    const logs = failed.map(({ step }) => `  its log: mmedexpert logs ${runId} ${step}\n`).join('');
    return {
      text: `run ${runId} ${progress.status}: ${progress.error ?? ''}\n${logs}`,
      document: { ...progress, seconds },
    };
  }
  const digest = progress.steps.find(({ step }) => step === 'report')?.outputs['report']?.digest;
  const report =
    digest === undefined
      ? undefined
      : Report.parse(JSON.parse(Buffer.from(await store.readFile(digest, 'report.json')).toString('utf8')));
  const text = [
    report ? `${renderTable(report)}\n` : '',
    `${count(progress, 'computed')} steps computed, ${count(progress, 'hit')} from the store, ` +
      `${count(progress, 'joined')} joined, in ${seconds} s\n`,
    madeBy(progress),
  ].join('\n');
  return { text, document: { ...progress, seconds, ...(report ? { report } : {}) } };
}
