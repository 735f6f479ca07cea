import { z } from 'zod';
import { ResolvedCompute } from './config/compute.ts';
import { Digest } from './digest.ts';
import { GbaMetric, SftMetric } from './training-metric.ts';

/** What the numbers of a training depend on, beside its code. */
export const TrainingSetting = z.strictObject({
  params: z.record(z.string(), z.json()),
  compute: ResolvedCompute,
  /** Weights, rows with their images, and whatever else it reads, by digest; null where it has none of a kind. */
  inputs: z.record(z.string(), Digest.nullable()),
});
export type TrainingSetting = z.infer<typeof TrainingSetting>;

/** How far a training is. Data order and sampling are functions of seed and step, so the step is the whole data cursor. */
export const TrainingProgress = z.strictObject({
  job: z.enum(['sft', 'gba', 'pretrain']),
  /** Optimizer steps done. */
  step: z.int().nonnegative(),
  /** Steps the job has in all. */
  totalSteps: z.int().positive(),
  /** Names and shapes of the trained values in the order they lie in the flat state. */
  layout: z.array(z.strictObject({ name: z.string(), shape: z.array(z.int().positive()) })),
  history: z.union([z.array(SftMetric), z.array(GbaMetric)]),
});
export type TrainingProgress = z.infer<typeof TrainingProgress>;

/**
 * `trainer_state.json` of a training checkpoint, beside `state.safetensors` (trained values, both AdamW moments, and
 * the best values by validation where those are kept). Files of version 1 lack the setting; nothing goes on from them.
 */
export const TrainerState = z.strictObject({
  version: z.literal(2),
  ...TrainingProgress.shape,
  setting: TrainingSetting,
  /** Of the setting, in canonical JSON. */
  settingDigest: Digest,
});
export type TrainerState = z.infer<typeof TrainerState>;
