import { z } from 'zod';
import { loraFields } from './lora-settings.ts';
import { optimizerFields } from './optimizer-settings.ts';
import { validationFields, validationFits } from './validation-settings.ts';

/**
 * Parameters of `sft`. The defaults are the paper's (section 4.1: all linear layers, r 16, alpha 32, 3 epochs,
 * learning rate 1e-6, batch 1 x 8 accumulation) where it states them.
 */
export const SftParams = z
  .strictObject({
    ...loraFields,
    ...optimizerFields,
    ...validationFields,
    learningRate: optimizerFields.learningRate.default(1e-6),
    epochs: z.int().positive().default(3),
    /** Rows of one optimizer step. */
    accumulate: z.int().positive().default(8),
    /**
     * How the loss of a window of rows is averaged: `sequence` is the mean over rows of each row's mean over its label
     * tokens; `token` is the sum over all label tokens of the window divided by their number (transformers' Trainer).
     */
    lossNormalisation: z.enum(['sequence', 'token']).default('sequence'),
    shuffle: z.boolean().default(true),
    /** Rows longer than this many tokens are dropped or refused, never cut: a cut could split an image. */
    maxTokens: z.int().positive().default(8192),
    overlong: z.enum(['drop', 'refuse']).default('refuse'),
    /** Tokens of one forward and backward pass; a window above it is run in several, whose gradients add up. */
    microBatchTokens: z.int().positive().default(4096),
    seed: z.int().nonnegative().default(0),
  })
  .superRefine(validationFits);
export type SftParams = z.infer<typeof SftParams>;
