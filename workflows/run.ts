import {
  ActivityFailure,
  ApplicationFailure,
  isCancellation,
  proxyActivities,
  proxyLocalActivities,
} from '@temporalio/workflow';
import type { Activities } from '../activities/index.ts';
import type { PipelineInput } from '../schemas/pipeline-input.ts';
import type { Reference } from '../schemas/reference.ts';
import type { StepSpec, StepState } from '../schemas/step.ts';
import type { Serially } from './serially.ts';

/** What identifies a run to its steps. */
export type RunContext = Pick<PipelineInput, 'runId' | 'storeId' | 'queues' | 'limits'>;

/** A step that is done: its outputs by name. */
export type Outputs = Readonly<Record<string, Reference>>;

export interface Run {
  /** Looks the step up, joins it where it must be computed, and hands its outputs on. */
  readonly step: (spec: StepSpec) => Promise<Outputs>;
  /** Notes steps that a child workflow took. */
  readonly adopt: (states: readonly StepState[]) => void;
  readonly states: () => StepState[];
}

const { lookupStep, quarantineArtifact } = proxyLocalActivities<Activities>({
  startToCloseTimeout: '2 minutes',
});

/** The digest that a consumer found damaged, if that is why it failed. */
function corruptInput(error: unknown): string | undefined {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (cause instanceof ApplicationFailure && cause.type === 'CorruptInput') {
      const [digest] = cause.details ?? [];
      return typeof digest === 'string' ? digest : undefined;
    }
  }
  return undefined;
}

/** The innermost message: what a person needs of a chain of failures. */
export function rootMessage(error: unknown): string {
  let message = String(error);
  for (let cause = error; cause instanceof Error; cause = cause.cause) message = cause.message;
  return message;
}

export function openRun({ runId, storeId, queues, limits }: RunContext, serially: Serially): Run {
  const states = new Map<string, StepState>();
  const producers = new Map<string, () => Promise<Outputs>>();

  const { joinStep } = proxyActivities<Activities>({
    taskQueue: queues.wait,
    startToCloseTimeout: '365 days',
    heartbeatTimeout: Math.max(limits.heartbeatTimeoutMs, 10_000),
    retry: { initialInterval: '1 second', maximumInterval: '10 seconds' },
  });

  async function take(spec: StepSpec): Promise<Outputs> {
    const note = (change: Partial<StepState>) => {
      const before = states.get(spec.step) ?? {
        step: spec.step,
        stage: spec.stage,
        state: 'looking-up' as const,
        outputs: {},
        summary: {},
      };
      states.set(spec.step, { ...before, ...change });
    };
    note({ state: 'looking-up' });
    try {
      const found = await serially(() => lookupStep(spec));
      if (found.verdict === 'hit') {
        note({
          state: 'done',
          key: found.key,
          verdict: 'hit',
          outputs: found.outputs,
          summary: found.summary,
        });
        return found.outputs;
      }
      note({ state: 'running', key: found.key, reason: found.reason });
      const done = await joinStep({ spec, key: found.key, runId, storeId, queues, limits });
      const verdict = !done.fresh ? 'hit' : done.by === runId ? 'computed' : 'joined';
      note({ state: 'done', key: done.key, verdict, outputs: done.outputs, summary: done.summary });
      return done.outputs;
    } catch (error) {
      if (!isCancellation(error)) note({ state: 'failed', error: rootMessage(error) });
      throw error;
    }
  }

  /** A damaged input is set aside and its producer runs again, once; then the step is taken again. */
  async function step(spec: StepSpec): Promise<Outputs> {
    let outputs: Outputs;
    try {
      outputs = await take(spec);
    } catch (error) {
      const damaged = error instanceof ActivityFailure ? corruptInput(error) : undefined;
      const produce = damaged === undefined ? undefined : producers.get(damaged);
      if (damaged === undefined || produce === undefined) throw error;
      await serially(() => quarantineArtifact(damaged));
      await produce();
      outputs = await take(spec);
    }
    for (const { digest } of Object.values(outputs)) producers.set(digest, () => step(spec));
    return outputs;
  }

  return {
    step,
    adopt: (adopted) => adopted.forEach((state) => states.set(state.step, state)),
    states: () => [...states.values()],
  };
}
