import { setHandler } from '@temporalio/workflow';
import type { StepSpec, StepState } from '../schemas/step.ts';
import { progressQuery } from './messages.ts';
import { openRun, type RunContext } from './run.ts';
import { createSerially } from './serially.ts';

export interface ShardsInput {
  readonly run: RunContext;
  readonly specs: readonly StepSpec[];
}

/** The shards of one stage, a bounded number in flight; a child of the run so that the run's history stays short. */
export async function shards({ run, specs }: ShardsInput): Promise<StepState[]> {
  const { step, states } = openRun(run, createSerially());
  setHandler(progressQuery, () => ({ runId: run.runId, status: 'running', steps: states(), children: [] }));
  const waiting = [...specs];
  const lane = async () => {
    for (let spec = waiting.shift(); spec; spec = waiting.shift()) await step(spec);
  };
  await Promise.all(Array.from({ length: Math.min(run.limits.shardsInFlight, specs.length) }, lane));
  return states();
}
