/** The figures of a step under TRL's names (`trl/trainer/grpo_trainer.py`). */
import type { GbaMetric } from '../../schemas/training-metric.ts';
import type { StepOutcome } from '../nn/training/trainer.ts';
import type { JudgedStep } from './rollouts.ts';

const meanOf = (xs: readonly number[]): number =>
  xs.length === 0 ? 0 : xs.reduce((a, b) => a + b, 0) / xs.length;

/** Mean over a step's label tokens of what each batch says per token; `counts` are the batches' label tokens. */
const tokenMean = (outcome: StepOutcome, counts: readonly number[], name: string): number => {
  let sum = 0;
  let tokens = 0;
  for (const [i, outputs] of outcome.outputs.entries()) {
    const n = counts[i] ?? 0;
    const values = outputs[name];
    for (let k = 0; k < n; k++) sum += values?.[k] ?? 0;
    tokens += n;
  }
  return tokens === 0 ? 0 : sum / tokens;
};

/** `step` counts from 0; `labels` are the label tokens of each batch of the step. */
export const gbaMetric = (
  step: number,
  judged: JudgedStep,
  outcome: StepOutcome,
  labels: readonly number[],
  tokensBefore: number,
): GbaMetric => {
  const { rollouts } = judged;
  const lengths = rollouts.map(({ completion }) => completion.tokens.length);
  const rewardMean = (name: 'accuracy' | 'structure' | 'adherence'): number =>
    meanOf(rollouts.map(({ rewards }) => rewards[name]));
  const low = tokenMean(outcome, labels, 'clippedLow');
  const high = tokenMean(outcome, labels, 'clippedHigh');
  const prompts = rollouts.reduce((sum, { prompt }) => sum + prompt.ids.length, 0);
  return {
    step: step + 1,
    loss: outcome.loss,
    learning_rate: outcome.learningRate,
    grad_norm: outcome.gradNorm,
    reward: meanOf(rollouts.map(({ reward }) => reward)),
    reward_std: meanOf(judged.stds),
    frac_reward_zero_std: judged.fractionWithoutSpread,
    'rewards/accuracy/mean': rewardMean('accuracy'),
    'rewards/structure/mean': rewardMean('structure'),
    'rewards/adherence/mean': rewardMean('adherence'),
    kl: tokenMean(outcome, labels, 'kl'),
    'clip_ratio/low_mean': low,
    'clip_ratio/high_mean': high,
    'clip_ratio/region_mean': low + high,
    entropy: tokenMean(outcome, labels, 'entropy'),
    'completions/mean_length': meanOf(lengths),
    'completions/min_length': Math.min(...lengths),
    'completions/max_length': Math.max(...lengths),
    'completions/clipped_ratio': meanOf(
      rollouts.map(({ completion }) => (completion.finishReason === 'length' ? 1 : 0)),
    ),
    num_tokens: tokensBefore + prompts + lengths.reduce((a, b) => a + b, 0),
  };
};
