import { z } from 'zod';
import { loraFields } from './lora-settings.ts';
import { optimizerFields } from './optimizer-settings.ts';
import { validationFields, validationFits } from './validation-settings.ts';

/** Weight of each named reward in a completion's total; a reward that is not named has weight 0 and is still logged. */
export const RewardWeights = z.strictObject({
  accuracy: z.number().default(1),
  structure: z.number().default(1),
  adherence: z.number().default(0),
});
export type RewardWeights = z.infer<typeof RewardWeights>;

/**
 * Parameters of `gba` (guideline-based advantages, eq. 4-5): group relative policy optimisation whose prompts carry
 * guidelines. With `guidelineMode: none` it is plain GRPO.
 */
export const GbaParams = z
  .strictObject({
    ...loraFields,
    ...optimizerFields,
    ...validationFields,
    /** Queries of one validation, the first of the file; null: all of them. */
    validateQueries: z.int().positive().nullable().default(null),
    learningRate: optimizerFields.learningRate.default(1e-6),
    schedule: optimizerFields.schedule.default('constant'),
    maxGradNorm: optimizerFields.maxGradNorm.default(1),
    steps: z.int().positive(),
    promptsPerStep: z.int().positive().default(8),
    /** Completions of one query, G. */
    group: z.int().min(2).default(8),
    maxNewTokens: z.int().positive().default(1024),
    /** Queries whose prompt is longer, under any guideline, are dropped or refused, never cut: a cut could split an image. */
    maxPromptTokens: z.int().positive().default(8192),
    overlong: z.enum(['drop', 'refuse']).default('refuse'),
    temperature: z.number().positive().default(1),
    /** The ratio is clipped to [1 - clip, 1 + clipHigh]; clipHigh null means the same as clip. */
    clip: z.number().positive().default(0.2),
    clipHigh: z.number().positive().nullable().default(null),
    /** Weight of the k3 estimate of the divergence from the model training starts from. */
    beta: z.number().nonnegative().default(0.001),
    /**
     * `rotate`: each query under one paradigm, the next one at each visit; `all`: each under all four, four groups;
     * `mixed`: the group's rollouts spread over the four with one baseline, so that guidelines compete; `none`: no guideline.
     */
    guidelineMode: z.enum(['rotate', 'all', 'mixed', 'none']).default('rotate'),
    rewards: RewardWeights.default({ accuracy: 1, structure: 1, adherence: 0 }),
    /** Spread a group's rewards are divided by: its own, the whole batch's, or none (Dr. GRPO). */
    advantageScale: z.enum(['group', 'batch', 'none']).default('group'),
    advantageStd: z.enum(['unbiased', 'biased']).default('unbiased'),
    advantageEpsilon: z.number().nonnegative().default(1e-4),
    /**
     * How token losses are averaged (TRL's names). `grpo`: mean over completions of each one's token mean; `bnpo`: token
     * mean within each query's group, then over groups; `dr_grpo`: sum over tokens / (completions x maxNewTokens);
     * `dapo`: token mean over the whole step.
     */
    aggregation: z.enum(['grpo', 'bnpo', 'dr_grpo', 'dapo']).default('grpo'),
    /** Completions cut at maxNewTokens take no part in the loss. */
    maskTruncated: z.boolean().default(false),
    microBatchTokens: z.int().positive().default(8192),
    seed: z.int().nonnegative().default(0),
  })
  .superRefine(validationFits);
export type GbaParams = z.infer<typeof GbaParams>;
