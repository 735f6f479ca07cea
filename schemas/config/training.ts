import { z } from 'zod';
import { count, PromptStyle, rate, Schedule, seed, share, steps } from './fields.ts';

const lora = {
  rank: count.describe('Rank r of the adapter'),
  alpha: rate.describe('α; the update is (α/r)·B·A'),
  dropout: share.describe("Dropout on the adapter's input, in training"),
};
const optimizer = {
  learningRate: rate.describe('Peak learning rate of AdamW'),
  schedule: Schedule.describe('How the learning rate moves after warm-up: constant, linear or cosine'),
  warmupSteps: steps.describe('Optimizer steps of linear warm-up'),
  weightDecay: z.number().min(0).describe('Decoupled weight decay'),
  clipNorm: rate.describe('Largest norm of the gradient'),
};

/** One LoRA run on teacher traces. */
export const SftRun = z.strictObject({
  ...lora,
  ...optimizer,
  epochs: count.describe('Passes over the training split'),
  batchSize: count.describe('Rows a micro-batch'),
  accumulate: count.describe('Micro-batches an optimizer step; the loss is normalised over all of them'),
  prompt: PromptStyle.describe('plain: the question alone; guided: with the paradigm and its guideline'),
  seed: seed.describe(
    "Seed of the adapter's start, of dropout and of the order of rows; the config's own seed is added to it",
  ),
});
export type SftRun = z.infer<typeof SftRun>;

/** One expert a specialty, and one on the union of the four for the comparison. */
export const Sft = z.strictObject({
  AM: SftRun.describe('Expert of adult medicine'),
  CAH: SftRun.describe('Expert of child and adolescent health'),
  BS: SftRun.describe('Expert of brain and senses'),
  CSI: SftRun.describe('Expert of cancer, surgery and injury'),
  mixed: SftRun.describe('One expert on the union, for "Mixed SFT"'),
});

/** Reinforcement learning with guideline-based advantages (eq. 4–5). */
export const Gba = z.strictObject({
  enabled: z.boolean().describe('false: no RL, and the final merge has four vectors'),
  start: z
    .enum(['base', 'mixed', 'mean', 'ties'])
    .describe(
      'What RL starts from: base; base + mixed SFT; + the equal-weight mean of the experts; + their merge by merge.start',
    ),
  ...lora,
  ...optimizer,
  steps: count.describe('Optimizer steps; each makes its own rollouts and uses them once'),
  promptsPerStep: count.describe('Queries a step'),
  group: count.min(2).describe('Rollouts G of a query, whose rewards are compared'),
  clip: rate.describe('ε of the clipped ratio'),
  beta: z.number().min(0).describe('Weight β of the KL term against the frozen start'),
  maxNewTokens: count.describe('Longest rollout, in tokens'),
  temperature: rate.describe('Temperature of the rollouts'),
  guidelineMode: z
    .enum(['rotate', 'all', 'mixed', 'none'])
    .describe(
      'rotate: a query has one paradigm, in turn; all: each query under all four; mixed: a group is spread over the four; none: plain GRPO',
    ),
  rewards: z
    .strictObject({
      accuracy: z.number().min(0).describe('The letter in <answer> is the gold one'),
      structure: z.number().min(0).describe('One <think> block, then one <answer> block, nothing else'),
      adherence: z.number().min(0).describe("The reasoning keeps to the paradigm's checklist"),
    })
    .describe('Weight of each reward'),
  std: z.enum(['unbiased', 'biased']).describe("Divisor of a group's variance: G − 1 or G"),
  advantageEpsilon: rate.describe('ε in (r − μ) / (σ + ε)'),
  aggregation: z
    .enum(['grpo', 'bnpo', 'dr_grpo', 'dapo'])
    .describe('How token losses add up; grpo: mean over sequences of the mean over tokens'),
  seed: seed.describe(
    "Seed of the adapter's start, of the order of queries and of sampling; the config's own seed is added to it",
  ),
});
export type Gba = z.infer<typeof Gba>;
