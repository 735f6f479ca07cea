import { z } from 'zod';

/**
 * Parts of a model whose linear layers an adapter updates: those of the language model's blocks; of the vision tower's
 * blocks (`vision`); of the merger between the two. The patch embedding, a convolution in the checkpoints, and the output
 * table are in none of them, as in PEFT's `all-linear` for these checkpoints.
 */
export const LoraTarget = z.enum(['language', 'vision', 'merger']);
export type LoraTarget = z.infer<typeof LoraTarget>;

/** In the order of the options, so that equal choices are written alike. */
const targets = z
  .array(LoraTarget)
  .refine(
    (given) => given.join() === LoraTarget.options.filter((part) => given.includes(part)).join(),
    'names each part once, in the order language, vision, merger',
  )
  .refine((given) => given.includes('language'), 'names language: it is always trained')
  .readonly();

/** A LoRA adapter (Hu et al. 2021); scaling is alpha / rank. */
export const loraFields = {
  rank: z.int().positive().default(16),
  alpha: z.number().positive().default(32),
  targets: targets.default(['language']),
  /** Share of the numbers that an adapter's A does not see, drawn anew for each layer and pass of training. */
  dropout: z.number().min(0).lt(1).default(0),
  /** Compute layers again in the backward pass instead of keeping what is inside of them. */
  recompute: z.boolean().default(false),
} as const;
