import { z } from 'zod';

/** One optimizer step of supervised training, a row of `metrics.jsonl`. It holds no times, so that equal runs write equal files. */
export const SftMetric = z.strictObject({
  step: z.int().positive(),
  /** Nats per label token, averaged as `lossNormalisation` says. */
  loss: z.number(),
  learningRate: z.number(),
  /** Global norm before clipping. */
  gradNorm: z.number(),
  /** Label tokens of the step. */
  tokens: z.int(),
  /** On the validation rows after this step, averaged as `loss` is; only of steps that were validated. */
  validationLoss: z.number().optional(),
  /** Share of the validation rows' label tokens that the model finds likeliest. */
  validationTokenAccuracy: z.number().min(0).max(1).optional(),
});
export type SftMetric = z.infer<typeof SftMetric>;

/** One optimizer step of GBA; the names are TRL's, so that its users find their curves. */
export const GbaMetric = z.strictObject({
  step: z.int().positive(),
  /** Passes through the queries so far. */
  epoch: z.number(),
  loss: z.number(),
  learning_rate: z.number(),
  /** Global norm before clipping. */
  grad_norm: z.number(),
  /** Weighted sum of the rewards, mean and unbiased spread over the rollouts of the step. */
  reward: z.number(),
  reward_std: z.number(),
  /** Share of rollouts whose group, or with `advantageScale: batch` whose step, has rewards all equal. */
  frac_reward_zero_std: z.number(),
  'rewards/accuracy/mean': z.number(),
  'rewards/accuracy/std': z.number(),
  'rewards/structure/mean': z.number(),
  'rewards/structure/std': z.number(),
  'rewards/adherence/mean': z.number(),
  'rewards/adherence/std': z.number(),
  /** Nats per label token; absent where beta is 0 and nothing is held against a reference. */
  kl: z.number().optional(),
  /** Shares of label tokens that are clipped. */
  'clip_ratio/low_mean': z.number(),
  'clip_ratio/high_mean': z.number(),
  'clip_ratio/region_mean': z.number(),
  /** Smallest and largest such share of one completion; absent where no completion takes part in the loss. */
  'clip_ratio/low_min': z.number().optional(),
  'clip_ratio/high_max': z.number().optional(),
  /** Nats per label token. */
  entropy: z.number(),
  /** How far apart a token's log-probabilities in sampling and in training are, in nats. */
  'sampling/sampling_logp_difference/mean': z.number(),
  'sampling/sampling_logp_difference/max': z.number(),
  /** Tokens, the end token included. */
  'completions/mean_length': z.number(),
  'completions/min_length': z.number(),
  'completions/max_length': z.number(),
  /** The same over completions that ended by themselves; 0 where none did. */
  'completions/mean_terminated_length': z.number(),
  'completions/min_terminated_length': z.number(),
  'completions/max_terminated_length': z.number(),
  /** Share of completions that did not. */
  'completions/clipped_ratio': z.number(),
  /** Prompt and completion tokens seen so far. */
  num_tokens: z.number(),
  /** Share of the validation queries answered right, greedily; only of steps that were validated. */
  'eval_rewards/accuracy/mean': z.number().min(0).max(1).optional(),
});
export type GbaMetric = z.infer<typeof GbaMetric>;
