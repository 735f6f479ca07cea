import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  argmaxHits,
  policyLoss,
  tokenEntropies,
  tokenLogProbs,
  weightedCrossEntropy,
} from '../../../../activities/nn/losses.ts';
import { gradient } from '../../../../activities/nn/ops/gradient.ts';
import { Program } from '../../../../activities/nn/runtime/program.ts';
import type { Session } from '../../../../activities/nn/runtime/session.ts';

const M = 5;
const V = 6;
const SETTINGS = { beta: 0.04, clip: 0.2, clipHigh: 0.3 };

const logits = Float32Array.from({ length: M * V }, (_, i) => Math.sin(i * 1.7) * 2);
const labels = Int32Array.of(0, 3, 5, 2, 1);
const weights = Float32Array.of(0.1, 0.3, 0.2, 0.4, 0);
const advantages = Float32Array.of(1, -1, 0.5, -2, 3);
const rows = Array.from({ length: M }, (_, i) => [...logits.subarray(i * V, (i + 1) * V)]);
const logSumExp = (row: number[]): number => Math.log(row.reduce((s, x) => s + Math.exp(x), 0));
const logProbs = (all: number[][]): number[] => all.map((r, i) => (r[labels[i] ?? 0] ?? 0) - logSumExp(r));
/** Log-probabilities before the update, chosen so that ratios lie below, inside and above the clip. */
const shifts = [0.5, 0.4, -0.05, -0.4, 0];
const old = Float32Array.from(logProbs(rows), (x, i) => x + (shifts[i] ?? 0));
const reference = Float32Array.from(logProbs(rows), (x, i) => x + Math.cos(i) * 0.3);

const policyReference = (all: number[][], beta: number): number => {
  const lp = logProbs(all);
  return -lp.reduce((total, x, i) => {
    const a = advantages[i] ?? 0;
    const ratio = Math.exp(x - (old[i] ?? 0));
    const d = (reference[i] ?? 0) - x;
    const gain = Math.min(ratio * a, Math.min(Math.max(ratio, 0.8), 1.3) * a);
    return total + (weights[i] ?? 0) * (gain - beta * (Math.exp(d) - d - 1));
  }, 0);
};

const crossEntropyReference = (all: number[][]): number =>
  -logProbs(all).reduce((s, x, i) => s + x * (weights[i] ?? 0), 0);

/** Central differences in float64. */
const slope = (f: (all: number[][]) => number): number[] =>
  rows.flatMap((row, i) =>
    row.map((_, j) => {
      const at = (h: number): number =>
        f(rows.map((r, k) => r.map((x, l) => (k === i && l === j ? x + h : x))));
      return (at(1e-5) - at(-1e-5)) / 2e-5;
    }),
  );

const worst = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  Math.max(...Array.from(a, (x, i) => Math.abs(x - (b[i] ?? NaN))));

describe('losses over label tokens', () => {
  let session: Session;
  let out: Record<string, ArrayLike<number>>;
  beforeAll(async () => {
    const program = new Program();
    program.entry('losses', (t) => {
      const x = t.variable('test/logits', [M, V]);
      const given = {
        labels: t.input('labels', [M], 'int32'),
        weights: t.input('weights', [M]),
        old: t.input('old', [M]),
        reference: t.input('reference', [M]),
        advantages: t.input('advantages', [M]),
      };
      const lp = tokenLogProbs(t, x, given.labels);
      const common = { logProbs: lp, advantages: given.advantages, weights: given.weights };
      const policy = policyLoss(
        t,
        { ...common, oldLogProbs: given.old, referenceLogProbs: given.reference },
        SETTINGS,
      );
      const fresh = policyLoss(
        t,
        { ...common, oldLogProbs: undefined, referenceLogProbs: undefined },
        { ...SETTINGS, beta: 0 },
      );
      const ce = weightedCrossEntropy(t, x, given.labels, given.weights);
      return {
        outputs: {
          lp,
          ce,
          hits: argmaxHits(t, x, given.labels, given.weights),
          ceGradient: gradient(t, ce, [x])[0]!,
          policy: policy.loss,
          policyGradient: gradient(t, policy.loss, [x])[0]!,
          kl: policy.kl,
          low: policy.clippedLow,
          high: policy.clippedHigh,
          fresh: fresh.loss,
          freshGradient: gradient(t, fresh.loss, [x])[0]!,
          entropy: tokenEntropies(t, x),
        },
      };
    });
    session = await program.load();
    session.set('test/logits', logits);
    out = session.run('losses', { labels, weights, old, reference, advantages });
  });
  afterAll(() => session.dispose());

  it('counts the labels that are the likeliest token and have a weight', () => {
    const likeliest = rows.map((row) => row.indexOf(Math.max(...row)));
    const hitsOf = (chosen: number[]): number | undefined =>
      session.run('losses', { labels: Int32Array.from(chosen), weights, old, reference, advantages })[
        'hits'
      ]?.[0];
    expect(hitsOf(likeliest)).toBe(M - 1);
    expect(hitsOf(likeliest.with(1, (likeliest[1]! + 1) % V))).toBe(M - 2);
    expect(hitsOf(likeliest.with(M - 1, (likeliest[M - 1]! + 1) % V))).toBe(M - 1);
  });

  it('gives log-probabilities and entropies in nats', () => {
    expect(worst(out['lp']!, logProbs(rows))).toBeLessThan(1e-6);
    const entropies = rows.map((r) => {
      const z = logSumExp(r);
      return -r.reduce((s, x) => s + Math.exp(x - z) * (x - z), 0);
    });
    expect(worst(out['entropy']!, entropies)).toBeLessThan(1e-6);
  });

  it('weighs cross-entropy by token, with the right gradient and none at weight 0', () => {
    expect(worst(out['ce']!, [crossEntropyReference(rows)])).toBeLessThan(1e-6);
    const g = out['ceGradient']!;
    expect(worst(g, slope(crossEntropyReference))).toBeLessThan(1e-6);
    for (const x of Array.from(g).slice(-V)) expect(Math.abs(x)).toBe(0);
  });

  it('clips the ratio on the side that would gain, adds k3, and has the right gradient', () => {
    expect(worst(out['policy']!, [policyReference(rows, SETTINGS.beta)])).toBeLessThan(1e-6);
    expect(
      worst(
        out['policyGradient']!,
        slope((x) => policyReference(x, SETTINGS.beta)),
      ),
    ).toBeLessThan(2e-6);
    expect(Array.from(out['low']!)).toEqual([0, 1, 0, 0, 0]);
    expect(Array.from(out['high']!)).toEqual([0, 0, 0, 0, 0]);
    for (const k of Array.from(out['kl']!)) expect(k).toBeGreaterThanOrEqual(0);
  });

  it('without old log-probabilities has ratio 1: a value of minus the mean advantage and the gradient of REINFORCE', () => {
    const mean = weights.reduce((s, w, i) => s + w * (advantages[i] ?? 0), 0);
    expect(worst(out['fresh']!, [-mean])).toBeLessThan(1e-6);
    const reinforce = (all: number[][]): number =>
      -logProbs(all).reduce((s, x, i) => s + (weights[i] ?? 0) * (advantages[i] ?? 0) * x, 0);
    expect(worst(out['freshGradient']!, slope(reinforce))).toBeLessThan(1e-6);
  });
});
