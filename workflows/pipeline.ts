/** A run: the steps of the DAG, taken on Temporal, with their progress to be asked for. */
import {
  allHandlersFinished,
  condition,
  executeChild,
  isCancellation,
  proxyLocalActivities,
  setHandler,
  workflowInfo,
  CancellationScope,
} from '@temporalio/workflow';
import type { Activities } from '../activities/index.ts';
import type { PipelineInput } from '../schemas/pipeline-input.ts';
import type { Reference } from '../schemas/reference.ts';
import type { RunProgress, StepSpec } from '../schemas/step.ts';
import { dag } from './dag.ts';
import { progressQuery } from './messages.ts';
import { awaitReview, type OpenReview } from './review.ts';
import { openRun, rootMessage, type Outputs } from './run.ts';
import { createSerially } from './serially.ts';
import { shards } from './shards.ts';

const { recordRun } = proxyLocalActivities<Activities>({ startToCloseTimeout: '1 minute' });

export async function pipeline(input: PipelineInput): Promise<Outputs> {
  const { config, sources } = input;
  const serially = createSerially();
  const run = openRun(input, serially);
  let status: RunProgress['status'] = 'running';
  let opened: OpenReview | undefined;
  let failure: string | undefined;
  const children = new Set<string>();
  const progress = (): RunProgress => ({
    runId: input.runId,
    status,
    steps: run.states(),
    children: [...children],
    ...(opened ? { review: opened } : {}),
    ...(failure === undefined ? {} : { error: failure }),
  });
  setHandler(progressQuery, progress);

  const source = (name: string): Reference => {
    const found = sources[name];
    if (found === undefined) throw new Error(`the run was started without the source ${name}`);
    return found;
  };
  const fanOut = async (specs: StepSpec[]): Promise<Outputs[]> => {
    const workflowId = `${workflowInfo().workflowId}/${specs[0]?.stage}`;
    children.add(workflowId);
    try {
      const states = await executeChild(shards, { workflowId, args: [{ run: input, specs }] });
      run.adopt(states);
      const byStep = new Map(states.map((state) => [state.step, state.outputs]));
      return specs.map((spec) => byStep.get(spec.step) ?? {});
    } finally {
      children.delete(workflowId);
    }
  };

  const review = (traces: Reference, cases: Reference): Promise<Reference> =>
    awaitReview(
      { ...input, traces, cases, bank: config.review.kind === 'rule' ? source('train') : undefined },
      serially,
      (open) => {
        opened = open;
        status = open ? 'waiting-for-review' : 'running';
      },
    );

  try {
    const outputs = await dag(config, { source, step: run.step, fanOut, review });
    await condition(allHandlersFinished);
    status = 'done';
    return outputs;
  } catch (error) {
    status = isCancellation(error) ? 'cancelled' : 'failed';
    failure = rootMessage(error);
    throw error;
  } finally {
    await CancellationScope.nonCancellable(() => serially(() => recordRun(progress())));
  }
}
