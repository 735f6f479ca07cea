import { z } from 'zod';
import { GbaParams } from '../gba-params.ts';
import { SftParams } from '../sft-params.ts';
import { validationFits } from '../validation-settings.ts';

const lora = {
  rank: 'Rank r of the adapter',
  alpha: 'α; the update is (α/r)·B·A',
  targets: 'Parts whose linear layers are adapted: language, vision (the tower’s blocks), merger',
  dropout:
    'Share of the input of each A that is zeroed in training; never in sampling, reference or evaluation',
  recompute:
    'Layers are computed again in the backward pass: less memory, more time, the same mathematics but maybe other low bits',
};
const optimizer = {
  learningRate: 'Peak learning rate of AdamW',
  schedule: 'How the learning rate moves after warm-up: constant, or linear or cosine to 0',
  warmupSteps: 'Optimizer steps of linear warm-up',
  weightDecay: 'Decoupled weight decay',
  betas: "AdamW's β₁ and β₂",
  adamEpsilon: "AdamW's ε",
  maxGradNorm: 'Gradients of a larger norm are scaled down to it; null: never',
};
const validation = {
  validateEvery: 'Optimizer steps between two validations on the validation split; null: never',
  keep: 'Which adapter is written: last, or best by validation',
  patience:
    'Validations in a row without improvement after which the training ends; null: it runs to its end',
  minDelta: 'An improvement is larger than this',
};
const start =
  "Seed of the adapter's start, of the order and of sampling; the config's own seed is added to it";

/** Gives each field of a stage's parameters the words that `config schema` and error messages print. */
const described = <S extends z.ZodRawShape>(shape: S, words: Record<keyof S, string>): S =>
  Object.fromEntries(
    Object.entries(shape).map(([name, field]) => [name, (field as z.ZodType).describe(words[name] ?? '')]),
  ) as unknown as S;

/** One LoRA run on teacher traces: the parameters of `sft`. */
export const SftRun = z
  .strictObject({
    ...described(SftParams.shape, {
      ...lora,
      ...optimizer,
      ...validation,
      epochs: 'Passes over the training split',
      accumulate: 'Rows an optimizer step',
      lossNormalisation:
        "sequence: mean over rows of each row's token mean; token: mean over all tokens of the step",
      shuffle: 'Rows in a new seeded order each epoch; false: as they are',
      maxTokens: 'Longest row, in tokens',
      overlong:
        'What happens to a longer row: drop (and count) or refuse (the step fails and names it); it is never cut',
      microBatchTokens: 'Tokens of one pass; a larger step is run as several, whose gradients add up',
      seed: start,
    }),
  })
  .superRefine(validationFits);
export type SftRun = z.infer<typeof SftRun>;

/** One expert a specialty, and one on the union of the four for the comparison. */
export const Sft = z.strictObject({
  AM: SftRun.describe('Expert of adult medicine'),
  CAH: SftRun.describe('Expert of child and adolescent health'),
  BS: SftRun.describe('Expert of brain and senses'),
  CSI: SftRun.describe('Expert of cancer, surgery and injury'),
  mixed: SftRun.describe('One expert on the union, for "Mixed SFT"'),
});

/** Reinforcement learning with guideline-based advantages (eq. 4–5): the parameters of `gba`, and what it starts from. */
export const Gba = z
  .strictObject({
    enabled: z.boolean().describe('false: no RL, and the final merge has four vectors'),
    start: z
      .enum(['base', 'mixed', 'mean', 'ties'])
      .describe(
        'What RL starts from: the base; base + mixed SFT; + the equal-weight mean of the experts; + their merge as merge.start says',
      ),
    ...described(GbaParams.shape, {
      ...lora,
      ...optimizer,
      ...validation,
      validateQueries: 'Queries of one validation, each answered once, greedily; null: all of them',
      steps: 'Optimizer steps; each makes its own rollouts and uses them once',
      promptsPerStep: 'Queries a step',
      group: 'Rollouts G of one query, whose rewards are compared',
      maxNewTokens: 'Longest rollout, in tokens',
      maxPromptTokens: 'Longest prompt with its images and its longest guideline, in tokens',
      overlong:
        'What happens to a query with a longer prompt: drop (and count) or refuse (the step fails and names it); it is never cut',
      temperature: 'Temperature of the rollouts',
      clip: 'ε of the clipped ratio',
      clipHigh: 'Upper ε; null: the same as clip',
      beta: 'Weight β of the KL term against the frozen start',
      guidelineMode:
        'rotate: a query has one paradigm, in turn; all: each query under all four; mixed: a group is spread over the four, with one baseline; none: plain GRPO',
      rewards:
        'Weights: accuracy (the letter in <answer> is the gold one), structure (<think>, then <answer>, nothing else), adherence (to the checklist of the paradigm)',
      advantageScale:
        "What a reward's distance from its group's mean is divided by: the spread of the group, of the batch, or nothing",
      advantageStd: 'Divisor of the variance: unbiased (G − 1) or biased (G)',
      advantageEpsilon: 'ε in (r − μ) / (σ + ε)',
      aggregation: 'How token losses add up; grpo: mean over sequences of the mean over tokens',
      maskTruncated: 'Leave rollouts that did not end out of the loss',
      microBatchTokens: 'Tokens of one pass; a larger step is run as several, whose gradients add up',
      seed: start,
    }),
  })
  .superRefine(validationFits);
export type Gba = z.infer<typeof Gba>;
