import { z } from 'zod';
import { PromptStyle, seed, share } from './fields.ts';

/** First filter, beyond its fixed rule: a trace is kept only if its final answer equals the gold answer. */
export const Filter = z.strictObject({
  dropAnswerFirst: z.boolean().describe('Drop a trace that states its answer before its reasoning'),
  dropContradictions: z.boolean().describe('Drop a trace whose conclusion is not its <answer>'),
});

/** Second filter: adherence to the paradigm. The run waits for the decisions. */
export const Review = z.strictObject({
  kind: z
    .enum(['rule', 'human'])
    .describe('rule: a rule stands in for the reviewers and is named as such; human: people decide'),
});

/** Four disjoint sets by specialty, each split by case, as rows of SFT data. */
export const Stratify = z.strictObject({
  validationShare: share
    .max(0.5)
    .describe('Share of the cases of each specialty that go to validation, balanced by modality'),
  seed: seed.describe('Seed of the split'),
  prompt: PromptStyle.describe(
    'How a row asks. plain: the question alone; guided: with the paradigm and its guideline',
  ),
});
