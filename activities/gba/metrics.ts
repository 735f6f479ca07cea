/**
 * The figures of a step under TRL's names and as TRL 1.16 computes them (`trl/trainer/grpo_trainer.py`).
 *
 * Deviations:
 * 1. Means, minima and maxima are over the whole step. TRL's are averages over its micro-batches, which is the same
 *    where there is one.
 * 2. `sampling/*` are those TRL has with vLLM: what samples is here, too, another graph than the one that is trained.
 *    Nothing is corrected by them, so there is no `importance_sampling_ratio`.
 * 3. `step_time` is a time, which equal trainings differ in: it goes with the progress, not with these figures.
 */
import type { GbaMetric } from '../../schemas/training-metric.ts';
import type { StepOutcome } from '../nn/training/trainer.ts';
import { standardDeviation } from './advantages.ts';
import type { JudgedRollout, JudgedStep } from './rollouts.ts';
import type { PolicyRow } from './training-batches.ts';

export interface GbaStep {
  /** Counts from 0. */
  readonly step: number;
  /** Passes through the queries so far, this step included. */
  readonly epoch: number;
  readonly beta: number;
  readonly judged: JudgedStep;
  readonly outcome: Pick<StepOutcome, 'loss' | 'gradNorm' | 'learningRate' | 'outputs'>;
  /** Of each batch of the outcome. */
  readonly batches: readonly { readonly rows: readonly PolicyRow[] }[];
  /** Prompt and completion tokens of the steps before. */
  readonly tokensBefore: number;
}

const sumOf = (xs: readonly number[]): number => xs.reduce((a, b) => a + b, 0);
const meanOf = (xs: readonly number[]): number => (xs.length === 0 ? 0 : sumOf(xs) / xs.length);

/** What the step's batches say of each label token under a name, row by row; rows without label tokens are left out. */
const tokensOf = ({ outcome, batches }: GbaStep, name: string): number[][] =>
  batches.flatMap(({ rows }, b) => {
    const values = outcome.outputs[b]?.[name] ?? [];
    let at = 0;
    return rows.flatMap(({ labels }) => {
      const own = Array.from(values.slice(at, at + labels));
      at += labels;
      return labels === 0 ? [] : [own];
    });
  });

const rewardFigures = (rollouts: readonly JudgedRollout[], name: 'accuracy' | 'structure' | 'adherence') => {
  const rewards = rollouts.map((rollout) => rollout.rewards[name]);
  return { mean: meanOf(rewards), std: standardDeviation(rewards, 'unbiased') };
};

const lengthFigures = (lengths: readonly number[]) => ({
  mean: meanOf(lengths),
  min: Math.min(...lengths),
  max: Math.max(...lengths),
});

const clipFigures = (given: GbaStep) => {
  const [low, high] = [tokensOf(given, 'clippedLow'), tokensOf(given, 'clippedHigh')];
  const [lowMean, highMean] = [meanOf(low.flat()), meanOf(high.flat())];
  return {
    'clip_ratio/low_mean': lowMean,
    'clip_ratio/high_mean': highMean,
    // A token is clipped on one side at most.
    'clip_ratio/region_mean': lowMean + highMean,
    ...(low.length === 0
      ? {}
      : {
          'clip_ratio/low_min': Math.min(...low.map(meanOf)),
          'clip_ratio/high_max': Math.max(...high.map(meanOf)),
        }),
  };
};

const samplingFigures = (given: GbaStep) => {
  const sampled = given.batches.flatMap(({ rows }) =>
    rows.flatMap(({ labels, logps }) => logps.slice(0, labels)),
  );
  const trained = tokensOf(given, 'logProbs').flat();
  const differences = trained.map((logp, i) => Math.abs(logp - sampled[i]!));
  return {
    'sampling/sampling_logp_difference/mean': meanOf(differences),
    'sampling/sampling_logp_difference/max': Math.max(0, ...differences),
  };
};

export const gbaMetric = (given: GbaStep): GbaMetric => {
  const { rollouts, fractionWithoutSpread } = given.judged;
  const rewards = rollouts.map(({ reward }) => reward);
  const lengths = rollouts.map(({ completion }) => completion.tokens.length);
  const ended = rollouts.flatMap(({ completion: { finishReason, tokens } }) =>
    finishReason === 'stop' ? [tokens.length] : [],
  );
  const [accuracy, structure, adherence] = [
    rewardFigures(rollouts, 'accuracy'),
    rewardFigures(rollouts, 'structure'),
    rewardFigures(rollouts, 'adherence'),
  ];
  const all = lengthFigures(lengths);
  const terminated = lengthFigures(ended.length === 0 ? [0] : ended);
  return {
    step: given.step + 1,
    epoch: given.epoch,
    loss: given.outcome.loss,
    learning_rate: given.outcome.learningRate,
    grad_norm: given.outcome.gradNorm,
    reward: meanOf(rewards),
    reward_std: standardDeviation(rewards, 'unbiased'),
    frac_reward_zero_std: fractionWithoutSpread,
    'rewards/accuracy/mean': accuracy.mean,
    'rewards/accuracy/std': accuracy.std,
    'rewards/structure/mean': structure.mean,
    'rewards/structure/std': structure.std,
    'rewards/adherence/mean': adherence.mean,
    'rewards/adherence/std': adherence.std,
    ...(given.beta === 0 ? {} : { kl: meanOf(tokensOf(given, 'kl').flat()) }),
    ...clipFigures(given),
    entropy: meanOf(tokensOf(given, 'entropy').flat()),
    ...samplingFigures(given),
    'completions/mean_length': all.mean,
    'completions/min_length': all.min,
    'completions/max_length': all.max,
    'completions/mean_terminated_length': terminated.mean,
    'completions/min_terminated_length': terminated.min,
    'completions/max_terminated_length': terminated.max,
    'completions/clipped_ratio': 1 - ended.length / rollouts.length,
    num_tokens: given.tokensBefore + sumOf(rollouts.map(({ prompt }) => prompt.ids.length)) + sumOf(lengths),
  };
};
