import { z } from 'zod';
import { PipelineConfig } from './config.ts';
import { Reference } from './reference.ts';

/** Task queues of one store; their names hold the store's id so that two stores never join each other's work. */
export const Queues = z.strictObject({
  orchestrate: z.string(),
  wait: z.string(),
  cpu: z.string(),
  gpu: z.string(),
});
export type Queues = z.infer<typeof Queues>;

/** How long work may take before it counts as lost. */
export const Limits = z.strictObject({
  /** Silence after which an activity's worker counts as dead, in milliseconds. */
  heartbeatTimeoutMs: z.int().positive(),
  /** Longest attempt of one stage, in milliseconds. */
  stageTimeoutMs: z.int().positive(),
  /** Shards of one stage in flight at once. */
  shardsInFlight: z.int().positive(),
});
export type Limits = z.infer<typeof Limits>;

/** What the pipeline workflow is started with. */
export const PipelineInput = z.strictObject({
  runId: z.string(),
  storeId: z.string(),
  config: PipelineConfig,
  /** Digest of the resolved configuration without addresses, as the run record holds it. */
  sources: z.record(z.string(), Reference),
  queues: Queues,
  limits: Limits,
});
export type PipelineInput = z.infer<typeof PipelineInput>;
