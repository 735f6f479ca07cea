/** The loss of a step against TRL's own code: `test/golden/trl-grpo.py`. */
import { describe, expect, it } from 'vitest';
import { policyLoss, tokenEntropies, tokenLogProbs } from '../../../../activities/nn/losses.ts';
import { gradient } from '../../../../activities/nn/ops/gradient.ts';
import { Program } from '../../../../activities/nn/runtime/program.ts';
import { policyWeights } from '../../../../activities/nn/token-weights.ts';
import { expectAllClose } from '../../../_allclose.ts';
import golden from '../../../golden/trl-grpo.json' with { type: 'json' };

const { inputs, cases } = golden;
const V = inputs.logits[0]![0]!.length;

/** Of each completion its label tokens, one after another: what a batch holds. */
const packed = <T>(rows: readonly (readonly T[])[], counts: readonly number[]): T[] =>
  rows.flatMap((row, i) => row.slice(0, counts[i]));

const lossOf = async (one: (typeof cases)[number]) => {
  const { aggregation, beta, onPolicy, leftOut } = one;
  const counts = inputs.counts.map((n, row) => (leftOut.includes(row as never) ? 0 : n));
  const M = counts.reduce((a, b) => a + b, 0);
  const kind = aggregation as Parameters<typeof policyWeights>[1];
  const weights = policyWeights(counts, kind, inputs.group, inputs.maxNewTokens);
  const spread = (numbers: readonly number[]): Float32Array =>
    Float32Array.from(counts.flatMap((n, row) => Array.from({ length: n }, () => numbers[row]!)));
  const program = new Program();
  program.entry('loss', (t) => {
    const logits = t.input('logits', [M, V]);
    const labels = t.input('labels', [M], 'int32');
    const { loss, ...rest } = policyLoss(
      t,
      {
        logProbs: tokenLogProbs(t, logits, labels),
        oldLogProbs: onPolicy ? undefined : t.input('old', [M]),
        referenceLogProbs: beta === 0 ? undefined : t.input('reference', [M]),
        advantages: t.input('advantages', [M]),
        weights: t.input('weights', [M]),
      },
      { beta, clip: inputs.clip, clipHigh: inputs.clipHigh },
    );
    const [slope] = gradient(t, loss, [logits]);
    return { outputs: { ...rest, loss, slope: slope!, entropy: tokenEntropies(t, logits) } };
  });
  const session = await program.load();
  try {
    const found = session.run('loss', {
      logits: Float32Array.from(packed(inputs.logits, counts).flat()),
      labels: Int32Array.from(packed(inputs.labels, counts)),
      ...(onPolicy ? {} : { old: Float32Array.from(packed(inputs.old, counts)) }),
      ...(beta === 0 ? {} : { reference: Float32Array.from(packed(inputs.reference, counts)) }),
      advantages: spread(inputs.advantages),
      weights: spread(weights),
    });
    const mean = (name: string): number => Array.from(found[name]!).reduce((a, b) => a + b, 0) / M;
    return { found, mean };
  } finally {
    session.dispose();
  }
};

const nameOf = ({ aggregation, beta, onPolicy, leftOut }: (typeof cases)[number]): string =>
  [
    aggregation,
    `beta ${beta}`,
    onPolicy ? 'on policy' : 'off policy',
    ...(leftOut.length > 0 ? ['a completion left out'] : []),
  ].join(', ');

describe('the loss of GRPO is TRL’s', () => {
  it.each(cases.map((one) => [nameOf(one), one] as const))('%s', async (_, one) => {
    const { found, mean } = await lossOf(one);
    const close = { rtol: 1e-5, atol: 1e-6 };
    expectAllClose(found['loss']!, [one.loss], close, 'loss');
    expectAllClose(found['slope']!, one.gradient, close, 'gradient');
    const low = mean('clippedLow');
    const high = mean('clippedHigh');
    const metrics = [mean('entropy'), low, high, low + high, mean('kl')];
    const names = ['entropy', 'clip_ratio/low_mean', 'clip_ratio/high_mean', 'clip_ratio/region_mean', 'kl'];
    const wanted: Record<string, number> = one.metrics;
    expectAllClose(
      metrics,
      names.map((name) => wanted[name] ?? 0),
      close,
      'metrics',
    );
  });

  it('on tokens of which some are clipped on either side', () => {
    const off = cases.filter(({ onPolicy }) => !onPolicy);
    for (const { metrics } of off) {
      expect(metrics['clip_ratio/low_mean']).toBeGreaterThan(0);
      expect(metrics['clip_ratio/high_mean']).toBeGreaterThan(0);
    }
  });
});
