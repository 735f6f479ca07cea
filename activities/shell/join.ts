import { Context, CancelledFailure, heartbeat } from '@temporalio/activity';
import { type Client, WorkflowFailedError, WorkflowNotFoundError } from '@temporalio/client';
import type { ActivityCancellationDetails } from '@temporalio/common';
import type { Digest } from '../../schemas/digest.ts';
import type { Limits, Queues } from '../../schemas/pipeline-input.ts';
import type { StepOutcome, StepSpec } from '../../schemas/step.ts';
import { failureOf } from './failure.ts';

export interface JoinInput {
  readonly spec: StepSpec;
  readonly key: Digest;
  readonly runId: string;
  readonly storeId: string;
  readonly queues: Queues;
  readonly limits: Limits;
}

/** Name of the workflow that executes one action of one store. */
export const stepWorkflowId = (storeId: string, key: Digest): string => `step/${storeId}/${key.slice(7)}`;

/**
 * Whether a run wants its step no longer: it was cancelled, or it is gone. An attempt is `notFound` too when its
 * heartbeats were late and another attempt took its place; the run is open then, and that attempt waits on.
 */
export async function letsGo(
  { workflow }: Pick<Client, 'workflow'>,
  workflowId: string,
  details: Pick<ActivityCancellationDetails, 'cancelRequested' | 'notFound'> | undefined,
): Promise<boolean> {
  if (details?.cancelRequested === true || details?.notFound !== true)
    return details?.cancelRequested === true;
  try {
    return (await workflow.getHandle(workflowId).describe()).status.name !== 'RUNNING';
  } catch (error) {
    return error instanceof WorkflowNotFoundError;
  }
}

/**
 * Starts the workflow of an action or joins the open one, and waits for its outcome. Cancelled, it lets go of the step,
 * which stops when no open run wants it.
 */
export async function joinStep(
  client: Client,
  { spec, key, runId, storeId, queues, limits }: JoinInput,
): Promise<StepOutcome> {
  const handle = await client.workflow.signalWithStart('step', {
    workflowId: stepWorkflowId(storeId, key),
    taskQueue: queues.orchestrate,
    workflowIdReusePolicy: 'ALLOW_DUPLICATE',
    workflowIdConflictPolicy: 'USE_EXISTING',
    args: [{ spec, queues, limits }],
    signal: 'join',
    signalArgs: [runId],
    staticSummary: spec.step,
  });
  const context = Context.current();
  const beat = setInterval(() => heartbeat(), 2000);
  const outcome = (async () => {
    try {
      return (await handle.result()) as StepOutcome;
    } catch (error) {
      throw error instanceof WorkflowFailedError ? failureOf(error) : error;
    }
  })();
  try {
    return await Promise.race([outcome, context.cancelled]);
  } catch (error) {
    // A worker that shuts down is no reason to stop the step: this activity goes on elsewhere.
    const { workflowId } = context.info.workflowExecution!;
    if (error instanceof CancelledFailure && (await letsGo(client, workflowId, context.cancellationDetails)))
      await client.workflow
        .getHandle(handle.workflowId)
        .signal('release', runId)
        .catch(() => undefined);
    throw error;
  } finally {
    clearInterval(beat);
    outcome.catch(() => undefined);
  }
}
