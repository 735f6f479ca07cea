import { defaultPayloadConverter } from '@temporalio/common';
import { type Client, WorkflowNotFoundError } from '@temporalio/client';
import { runWorkflowId } from '../../activities/shell/review.ts';
import { stepWorkflowId } from '../../activities/shell/join.ts';
import { Progress } from '../../schemas/progress.ts';
import { RunProgress, type StepState } from '../../schemas/step.ts';

/** Latest heartbeat of a running step: how far it is, and on which attempt. */
async function heartbeatOf(client: Client, storeId: string, state: StepState): Promise<StepState> {
  if (state.state !== 'running' || state.key === undefined) return state;
  try {
    const { raw } = await client.workflow.getHandle(stepWorkflowId(storeId, state.key)).describe();
    const payload = raw.pendingActivities?.[0]?.heartbeatDetails?.payloads?.[0];
    const progress = payload && Progress.safeParse(defaultPayloadConverter.fromPayload(payload));
    return progress?.success ? { ...state, progress: progress.data } : state;
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return state;
    throw error;
  }
}

const query = async (client: Client, workflowId: string): Promise<RunProgress> =>
  RunProgress.parse(await client.workflow.getHandle(workflowId).query('progress'));

/** A run's progress as its workflow tells it, with its children's steps and the heartbeats of those that run. */
export async function runProgress(client: Client, storeId: string, runId: string): Promise<RunProgress> {
  const progress = await query(client, runWorkflowId(storeId, runId));
  const children = await Promise.all(progress.children.map((id) => query(client, id).catch(() => undefined)));
  const steps = [...progress.steps, ...children.flatMap((child) => child?.steps ?? [])];
  return {
    ...progress,
    steps: await Promise.all(steps.map((state) => heartbeatOf(client, storeId, state))),
  };
}

/**
 * Follows a run until it ends, calling `show` about twice a second. An aborted signal ends the following, not the run.
 * A server that is away for a moment is waited for.
 */
export async function followRun(
  client: Client,
  storeId: string,
  runId: string,
  show: (progress: RunProgress) => void,
  signal?: AbortSignal,
): Promise<RunProgress> {
  for (let failures = 0; ;) {
    signal?.throwIfAborted();
    try {
      const progress = await runProgress(client, storeId, runId);
      failures = 0;
      show(progress);
      if (progress.status !== 'running' && progress.status !== 'waiting-for-review') return progress;
    } catch (error) {
      if (error instanceof WorkflowNotFoundError || ++failures > 60) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, 400));
  }
}
