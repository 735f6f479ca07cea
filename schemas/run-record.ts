import { z } from 'zod';
import { Digest } from './digest.ts';
import { Reference } from './reference.ts';
import { StageName } from './stage-name.ts';
import { MissReason } from './verdict.ts';

/** A ULID: 26 characters, sorted by time. */
export const RunId = z.string().regex(/^[0-9A-HJKMNP-TV-Z]{26}$/, 'a run id is a ULID of 26 characters');
export type RunId = z.infer<typeof RunId>;

/** One step of a run. `joined`: another run was computing it; `outputs` is empty until the step is done. */
const RunStep = z.strictObject({
  step: z.string().min(1),
  stage: StageName,
  key: Digest,
  verdict: z.enum(['hit', 'joined', 'computed']),
  status: z.enum(['running', 'done', 'failed', 'cancelled']),
  reason: MissReason.optional(),
  outputs: z.record(z.string(), Reference).default({}),
  startedAt: z.iso.datetime().optional(),
  endedAt: z.iso.datetime().optional(),
  error: z.string().optional(),
});

/** One run of the pipeline, kept in the store for good. */
export const RunRecord = z.strictObject({
  version: z.literal(1),
  runId: RunId,
  preset: z.string(),
  configDigest: Digest,
  config: z.json(),
  /** Version of the workflow code that runs it. */
  codeVersion: z.string(),
  status: z.enum(['running', 'done', 'failed', 'cancelled']),
  startedAt: z.iso.datetime(),
  endedAt: z.iso.datetime().optional(),
  error: z.string().optional(),
  steps: z.array(RunStep),
});
export type RunRecord = z.infer<typeof RunRecord>;
