import { z } from 'zod';

/** A LoRA adapter on the linear layers of the language model (Hu et al. 2021); scaling is alpha / rank. */
export const loraFields = {
  rank: z.int().positive().default(16),
  alpha: z.number().positive().default(32),
} as const;
