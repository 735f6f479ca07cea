import { z } from 'zod';
import { GbaMetric, SftMetric } from './training-metric.ts';

/**
 * `trainer_state.json` of a training checkpoint, beside `state.safetensors` (trained values, both AdamW moments, and
 * the best values by validation where those are kept).
 * Data order and sampling are functions of seed and step, so the step is the whole data cursor.
 */
export const TrainerState = z.strictObject({
  version: z.literal(1),
  job: z.enum(['sft', 'gba', 'pretrain']),
  /** Optimizer steps done. */
  step: z.int().nonnegative(),
  /** Steps the job has in all; another number means another job. */
  totalSteps: z.int().positive(),
  /** Names and shapes of the trained values in the order they lie in the flat state. */
  layout: z.array(z.strictObject({ name: z.string(), shape: z.array(z.int().positive()) })),
  history: z.union([z.array(SftMetric), z.array(GbaMetric)]),
});
export type TrainerState = z.infer<typeof TrainerState>;
