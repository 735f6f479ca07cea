import { z } from 'zod';

/** AdamW and its learning rate over time, with PyTorch's defaults. */
export const optimizerFields = {
  learningRate: z.number().positive(),
  /** The rate falls from its peak to 0 at the last step (`linear`, `cosine`) or stays (`constant`). */
  schedule: z.enum(['constant', 'linear', 'cosine']).default('linear'),
  /** Steps over which the rate rises from 0 to its peak; at the first of them it is 0, as in transformers. */
  warmupSteps: z.int().nonnegative().default(0),
  /** Decoupled: each step multiplies the weights by 1 - rate x decay. */
  weightDecay: z.number().nonnegative().default(0),
  betas: z
    .tuple([z.number().min(0).lt(1), z.number().min(0).lt(1)])
    .default([0.9, 0.999])
    .readonly(),
  adamEpsilon: z.number().positive().default(1e-8),
  /** Gradients of a larger global norm are scaled down to it; null leaves them alone. */
  maxGradNorm: z.number().positive().nullable().default(null),
} as const;

export const OptimizerSettings = z.strictObject(optimizerFields);
export type OptimizerSettings = z.infer<typeof OptimizerSettings>;
