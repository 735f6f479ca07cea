import {
  ApplicationFailure,
  CancellationScope,
  condition,
  isCancellation,
  proxyActivities,
  proxyLocalActivities,
  setHandler,
} from '@temporalio/workflow';
import type { Activities } from '../activities/index.ts';
import type { Limits, Queues } from '../schemas/pipeline-input.ts';
import type { StepOutcome, StepSpec } from '../schemas/step.ts';
import { joinSignal, releaseSignal } from './messages.ts';

export interface StepInput {
  readonly spec: StepSpec;
  readonly queues: Queues;
  readonly limits: Limits;
}

const { lookupStep } = proxyLocalActivities<Activities>({ startToCloseTimeout: '2 minutes' });

/**
 * One action, executed once however many runs ask for it: its workflow id is the action key, each run that wants it
 * joins, and it stops when the last one has let go.
 */
export async function step({ spec, queues, limits }: StepInput): Promise<StepOutcome> {
  const wanting = new Set<string>();
  let by = '';
  setHandler(joinSignal, (runId) => {
    by ||= runId;
    wanting.add(runId);
  });
  setHandler(releaseSignal, (runId) => void wanting.delete(runId));
  await condition(() => by !== '');

  const found = await lookupStep(spec);
  if (found.verdict === 'hit')
    return { key: found.key, outputs: found.outputs, summary: found.summary, by, fresh: false };

  const { executeStage } = proxyActivities<Activities>({
    taskQueue: queues[found.queue],
    startToCloseTimeout: limits.stageTimeoutMs,
    heartbeatTimeout: limits.heartbeatTimeoutMs,
    retry: { initialInterval: '1 second', maximumInterval: '30 seconds', maximumAttempts: 20 },
  });
  const scope = new CancellationScope();
  const execution = scope.run(() => executeStage({ spec, key: found.key }));
  const abandoned = CancellationScope.nonCancellable(() => condition(() => wanting.size === 0)).then(() =>
    scope.cancel(),
  );
  try {
    const done = await Promise.race([execution, abandoned.then(() => execution)]);
    return { key: found.key, ...done, by, fresh: true };
  } catch (error) {
    if (isCancellation(error) && wanting.size === 0)
      throw ApplicationFailure.nonRetryable(`${spec.step} stopped: no open run wants it`, 'Abandoned');
    throw error;
  }
}
