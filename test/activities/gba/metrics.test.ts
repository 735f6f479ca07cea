/** The figures of a step against TRL's own code, `test/golden/trl-metrics.py`, and on rollouts made by hand. */
import { describe, expect, it } from 'vitest';
import { groupAdvantages } from '../../../activities/gba/advantages.ts';
import { gbaMetric } from '../../../activities/gba/metrics.ts';
import type { GbaStep } from '../../../activities/gba/metrics.ts';
import type { JudgedRollout } from '../../../activities/gba/rollouts.ts';
import { GbaMetric } from '../../../schemas/training-metric.ts';
import { expectAllClose } from '../../_allclose.ts';
import { caseWith } from '../_cases.ts';
import golden from '../../golden/trl-metrics.json' with { type: 'json' };

interface Given {
  readonly rewards: JudgedRollout['rewards'];
  readonly reward: number;
  readonly prompt: number;
  readonly length: number;
  readonly ended: boolean;
  readonly sampled: readonly number[];
}

const rolloutOf = ({ rewards, reward, prompt, length, ended, sampled }: Given): JudgedRollout => ({
  prompt: {
    case: caseWith({}),
    paradigm: null,
    text: '',
    ids: new Int32Array(prompt),
    positions: { ids: new Int32Array(3 * prompt), next: prompt },
    imageTokens: 0,
  },
  completion: {
    tokens: Array.from({ length }, () => 9),
    logps: sampled.slice(0, length),
    finishReason: ended ? 'stop' : 'length',
  },
  text: '',
  rewards,
  reward,
  advantage: 0,
});

/** Batches of the rollouts in the order given by `split`, and what a session tells of their label tokens, padded. */
const batchesOf = (
  rollouts: readonly JudgedRollout[],
  labels: readonly number[],
  split: readonly (readonly number[])[],
  told: Readonly<Record<string, readonly (readonly number[])[]>>,
): Pick<GbaStep, 'batches' | 'outcome'> => ({
  batches: split.map((members) => ({
    rows: members.map((m) => ({ labels: labels[m]!, logps: rollouts[m]!.completion.logps })),
  })),
  outcome: {
    loss: 0.1,
    gradNorm: 2,
    learningRate: 1e-3,
    outputs: split.map((members) =>
      Object.fromEntries(
        Object.entries(told).map(([name, rows]) => [
          name,
          Float32Array.from([...members.flatMap((m) => rows[m]!.slice(0, labels[m])), NaN, NaN]),
        ]),
      ),
    ),
  },
});

const { inputs, cases } = golden;

describe('the figures of a step are TRL’s', () => {
  it.each(
    cases.map((one) => [`${one.scale}${one.maskTruncated ? ', cut ones left out' : ''}`, one] as const),
  )('advantages by %s', (_, { scale, maskTruncated, metrics }) => {
    const { weights } = inputs;
    const rollouts = inputs.completions.map(({ length, ended }, i) => {
      const rewards = inputs.rewards[i]!;
      const reward =
        weights.accuracy * rewards.accuracy +
        weights.structure * rewards.structure +
        weights.adherence * rewards.adherence;
      return rolloutOf({
        rewards,
        reward,
        prompt: inputs.prompts[i]!,
        length,
        ended,
        sampled: inputs.sampled[i]!,
      });
    });
    const { advantages, fractionWithoutSpread } = groupAdvantages(
      rollouts.map(({ reward }) => reward),
      inputs.group,
      { scale: scale as 'group' | 'batch' | 'none', std: 'unbiased', epsilon: 1e-4 },
    );
    const perToken = (of: (logp: number, old: number, reference: number, row: number) => number) =>
      inputs.logps.map((row, r) =>
        row.map((logp, k) => of(logp, inputs.old[r]![k]!, inputs.reference[r]![k]!, r)),
      );
    const flag = (holds: boolean): number => (holds ? 1 : 0);
    const given: GbaStep = {
      step: 0,
      epoch: 1,
      beta: inputs.beta,
      judged: { rollouts, fractionWithoutSpread },
      tokensBefore: inputs.tokensBefore,
      ...batchesOf(
        rollouts,
        inputs.completions.map(({ length, ended }) => (maskTruncated && !ended ? 0 : length)),
        [[4, 0, 8], [1], [7, 2, 3, 5, 6]],
        {
          logProbs: inputs.old,
          entropy: inputs.entropies,
          kl: perToken((logp, _old, reference) => Math.exp(reference - logp) - (reference - logp) - 1),
          clippedLow: perToken((logp, old, _reference, row) =>
            flag(Math.exp(logp - old) < 1 - inputs.clip && advantages[row]! < 0),
          ),
          clippedHigh: perToken((logp, old, _reference, row) =>
            flag(Math.exp(logp - old) > 1 + inputs.clipHigh && advantages[row]! > 0),
          ),
        },
      ),
    };
    const { step: _step, epoch: _epoch, loss: _loss, ...figures } = GbaMetric.parse(gbaMetric(given));
    const { learning_rate: _rate, grad_norm: _norm, ...found } = figures;
    expect(Object.keys(found).sort()).toEqual(Object.keys(metrics).sort());
    for (const [name, value] of Object.entries(metrics))
      expectAllClose([found[name as keyof typeof found]!], [value], { rtol: 1e-5, atol: 1e-6 }, name);
  });
});

describe('the figures of a step', () => {
  const rewards = { accuracy: 1, structure: 0, adherence: 0 };
  const made = { rewards, reward: 1, prompt: 2, sampled: [-1, -1, -1] };
  const stepOf = (
    completions: readonly { readonly length: number; readonly ended: boolean }[],
    labels: readonly number[],
    told: Readonly<Record<string, readonly (readonly number[])[]>>,
  ): GbaStep => {
    const rollouts = completions.map((one) => rolloutOf({ ...made, ...one }));
    return {
      step: 3,
      epoch: 0.5,
      beta: 0,
      judged: { rollouts, fractionWithoutSpread: 1 },
      tokensBefore: 7,
      ...batchesOf(rollouts, labels, [rollouts.map((_, i) => i)], told),
    };
  };
  const told = {
    logProbs: [
      [-1, -2, -1],
      [-1.5, -1, -1],
    ],
    entropy: [
      [1, 2, 3],
      [4, 5, 6],
    ],
    kl: [
      [0, 0, 0],
      [0, 0, 0],
    ],
    clippedLow: [
      [1, 1, 0],
      [0, 1, 0],
    ],
    clippedHigh: [
      [0, 0, 1],
      [1, 0, 0],
    ],
  };

  it('tell of clipping by token and by completion, and of no divergence where beta is 0', () => {
    const both = [
      { length: 3, ended: true },
      { length: 2, ended: true },
    ];
    const found = gbaMetric(stepOf(both, [3, 2], told));
    expect(found).toMatchObject({
      step: 4,
      epoch: 0.5,
      'clip_ratio/low_mean': 0.6,
      'clip_ratio/high_mean': 0.4,
      'clip_ratio/region_mean': 1,
      'clip_ratio/low_min': 0.5,
      'clip_ratio/high_max': 0.5,
      'sampling/sampling_logp_difference/mean': 0.3,
      'sampling/sampling_logp_difference/max': 1,
      entropy: 3,
      num_tokens: 7 + 4 + 5,
    });
    expect(found).not.toHaveProperty('kl');
  });

  it('are told too where every completion was cut and left out', () => {
    const cut = [
      { length: 3, ended: false },
      { length: 3, ended: false },
    ];
    const found = GbaMetric.parse(gbaMetric(stepOf(cut, [0, 0], told)));
    expect(found).toMatchObject({
      'completions/mean_length': 3,
      'completions/mean_terminated_length': 0,
      'completions/min_terminated_length': 0,
      'completions/max_terminated_length': 0,
      'completions/clipped_ratio': 1,
      'clip_ratio/low_mean': 0,
      'sampling/sampling_logp_difference/max': 0,
      entropy: 0,
    });
    expect(found).not.toHaveProperty('clip_ratio/low_min');
    expect(found).not.toHaveProperty('clip_ratio/high_max');
  });
});
