import { z } from 'zod';
import { Compute } from './config/compute.ts';
import { Digest } from './digest.ts';
import { Progress } from './progress.ts';
import { Reference } from './reference.ts';
import { StageName } from './stage-name.ts';
import { MissReason } from './verdict.ts';

/** A JSON value as parameters and settings hold it. */
export const Json: z.ZodType<Json> = z.json();
export type Json = string | number | boolean | null | Json[] | { [key: string]: Json };

/** One step of a run, before it has a key: what to do, to which artifacts, with which parameters. */
export const StepSpec = z.strictObject({
  /** Name within the run, such as `sft/AM` or `synthesize/3`. */
  step: z.string().regex(/^[a-z0-9A-Z][a-zA-Z0-9._/-]*$/),
  stage: StageName,
  inputs: z.record(z.string(), Reference),
  /** Part of the action key. */
  params: z.record(z.string(), Json),
  /** Not part of the key: addresses, limits on requests in flight, retries. */
  settings: z.record(z.string(), Json).default({}),
  /** What the machine must be set to for the bits to come out the same; part of the key of stages that compute. */
  compute: Compute,
});
export type StepSpec = z.infer<typeof StepSpec>;

/** Answer of a lookup. */
export const Lookup = z.discriminatedUnion('verdict', [
  z.strictObject({
    verdict: z.literal('hit'),
    key: Digest,
    outputs: z.record(z.string(), Reference),
    summary: z.record(z.string(), Json),
  }),
  z.strictObject({
    verdict: z.literal('miss'),
    key: Digest,
    reason: MissReason,
    queue: z.enum(['cpu', 'gpu']),
  }),
]);
export type Lookup = z.infer<typeof Lookup>;

/** What a finished step hands on. `by` is the run whose request made the step run; `fresh` whether it computed at all. */
export const StepOutcome = z.strictObject({
  key: Digest,
  outputs: z.record(z.string(), Reference),
  summary: z.record(z.string(), Json),
  by: z.string(),
  fresh: z.boolean(),
});
export type StepOutcome = z.infer<typeof StepOutcome>;

export const StepVerdict = z.enum(['hit', 'joined', 'computed']);
export type StepVerdict = z.infer<typeof StepVerdict>;

/** A step as the progress query shows it. */
export const StepState = z.strictObject({
  step: z.string(),
  stage: StageName,
  state: z.enum(['looking-up', 'running', 'done', 'failed']),
  key: Digest.optional(),
  verdict: StepVerdict.optional(),
  reason: MissReason.optional(),
  outputs: z.record(z.string(), Reference).default({}),
  summary: z.record(z.string(), Json).default({}),
  error: z.string().optional(),
  /** Latest figures of a running step, filled in by the client from its heartbeat. */
  progress: Progress.optional(),
});
export type StepState = z.infer<typeof StepState>;

/** Answer of a run's progress query. */
export const RunProgress = z.strictObject({
  runId: z.string(),
  status: z.enum(['running', 'waiting-for-review', 'done', 'failed', 'cancelled']),
  steps: z.array(StepState),
  /** Workflow ids of open children, whose own progress query names their steps. */
  children: z.array(z.string()),
  review: z.strictObject({ traces: Reference, undecided: z.int().nonnegative() }).optional(),
  error: z.string().optional(),
});
export type RunProgress = z.infer<typeof RunProgress>;
