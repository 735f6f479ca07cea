import { readFile } from 'node:fs/promises';
import { stepLogFile } from '../../activities/shell/step-log.ts';
import { readResult } from '../../artifacts/actions.ts';
import { readRun } from '../../artifacts/runs.ts';
import type { Digest } from '../../schemas/digest.ts';
import type { Connection } from '../connect.ts';
import { runProgress } from './follow.ts';

/** A step that a run does not have, or has no log of. The message lists the steps there are. */
export class UnknownStep extends Error {
  override name = 'UnknownStep' as const;
}

/** The log of a run's step: of a running one as this machine has it so far, of a finished one as the store keeps it. */
export async function stepLog(
  connection: Connection,
  run: string,
  step: string,
): Promise<{ runId: string; key: Digest; text: string }> {
  const { store, client, home } = connection;
  const record = await readRun(store, run);
  const steps =
    record.status === 'running' ? (await runProgress(client, store.id, record.runId)).steps : record.steps;
  const key = steps.find((candidate) => candidate.step === step)?.key;
  if (key === undefined)
    throw new UnknownStep(
      `${record.runId} has no step ${step} with a log; it has ${steps.map((known) => known.step).join(', ')}`,
    );
  const result = await readResult(store, key);
  if (result?.logDigest)
    return {
      runId: record.runId,
      key,
      text: Buffer.from(await store.getBlob(result.logDigest)).toString('utf8'),
    };
  const text = await readFile(stepLogFile(home.stepLogs, key), 'utf8').catch(() => {
    throw new UnknownStep(`${step} has written no log on this machine yet`);
  });
  return { runId: record.runId, key, text };
}
