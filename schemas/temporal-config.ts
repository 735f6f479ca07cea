import { z } from 'zod';

const milliseconds = z.int().min(1000);
const slots = z.int().min(1).max(10_000);

/** One task queue. Its full name is `<prefix>-<store id>-<queue>`, so that two stores never take each other's work. */
const Queue = z.strictObject({
  slots: slots.describe('Tasks that one worker process runs at once'),
});

/** What `temporal.config.ts` says: servers, queues and patience. Nothing secret, nothing of an experiment. */
export const TemporalConfig = z.strictObject({
  connection: z
    .strictObject({
      profile: z
        .string()
        .min(1)
        .optional()
        .describe("Profile of Temporal's own temporal.toml. Absent: TEMPORAL_PROFILE, else `default`"),
    })
    .describe(
      'TEMPORAL_ADDRESS and its kin go before the profile; where neither gives an address, the local server',
    ),
  namespace: z.string().min(1).describe('Used where neither TEMPORAL_NAMESPACE nor the profile names one'),
  taskQueues: z.strictObject({
    prefix: z
      .string()
      .regex(/^[a-z][a-z0-9-]*$/)
      .describe('First part of the name of every queue'),
    orchestrate: Queue.describe('Workflows and their local activities'),
    wait: Queue.describe('Waiting for steps that other workflows run; needs next to nothing'),
    cpu: Queue.describe('Stages that compute in the worker'),
    gpu: Queue.describe('Stages that compute in a child process, one a slot'),
  }),
  timeouts: z.strictObject({
    heartbeatMs: milliseconds.describe('Silence after which a worker counts as dead'),
    stageMs: milliseconds.describe('Longest attempt of one stage'),
    shutdownMs: milliseconds.describe('Time a stopping worker gives its children to save a checkpoint'),
  }),
  shardsInFlight: z.int().min(1).max(256).describe('Shards of one stage under way at once'),
  store: z.strictObject({
    bucket: z
      .string()
      .regex(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/, 'is no bucket name')
      .describe('S3_BUCKET goes before'),
    region: z.string().min(1).describe('S3_REGION goes before'),
    endpoint: z
      .string()
      .regex(/^https?:\/\/[^\s@]+$/, 'is an http or https address without credentials')
      .optional()
      .describe('S3_ENDPOINT goes before; where neither is given, the local server'),
  }),
});
export type TemporalConfig = z.infer<typeof TemporalConfig>;

/** Types `temporal.config.ts`; the values are checked where they are read. */
export const defineConfig = (config: TemporalConfig): TemporalConfig => config;
