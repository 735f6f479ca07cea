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
  loss: z.number(),
  learning_rate: z.number(),
  grad_norm: z.number(),
  reward: z.number(),
  /** Mean over groups of the spread within each. */
  reward_std: z.number(),
  frac_reward_zero_std: z.number(),
  'rewards/accuracy/mean': z.number(),
  'rewards/structure/mean': z.number(),
  'rewards/adherence/mean': z.number(),
  kl: z.number(),
  'clip_ratio/low_mean': z.number(),
  'clip_ratio/high_mean': z.number(),
  'clip_ratio/region_mean': z.number(),
  entropy: z.number(),
  'completions/mean_length': z.number(),
  'completions/min_length': z.number(),
  'completions/max_length': z.number(),
  'completions/clipped_ratio': z.number(),
  /** Prompt and completion tokens seen so far. */
  num_tokens: z.number(),
  /** Share of the validation queries answered right, greedily; only of steps that were validated. */
  'eval_rewards/accuracy/mean': z.number().min(0).max(1).optional(),
});
export type GbaMetric = z.infer<typeof GbaMetric>;
