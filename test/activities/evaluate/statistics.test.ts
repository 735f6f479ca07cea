import { describe, expect, it } from 'vitest';
import { adjusted, compare, type Answered } from '../../../activities/evaluate/compare.ts';
import { bootstrapInterval, drawCases } from '../../../activities/evaluate/statistics/bootstrap.ts';
import { holm } from '../../../activities/evaluate/statistics/holm.ts';
import { mcnemarExact } from '../../../activities/evaluate/statistics/mcnemar.ts';
import { wilson } from '../../../activities/evaluate/statistics/wilson.ts';

describe("Wilson's interval", () => {
  // Newcombe 1998, Statistics in Medicine 17:857, table I, method 3, four decimals.
  it.each([
    [81, 263, 0.2553, 0.3662],
    [15, 148, 0.0624, 0.1605],
    [0, 20, 0, 0.1611],
    [1, 29, 0.0061, 0.1718],
  ])('of %i in %i is the published one', (right, total, low, high) => {
    const interval = wilson(right, total);
    expect(interval.low).toBeCloseTo(low, 4);
    expect(interval.high).toBeCloseTo(high, 4);
  });

  it('stays within 0 and 1 at both ends and says nothing of no trials', () => {
    expect(wilson(7, 7).high).toBe(1);
    expect(wilson(0, 7).low).toBe(0);
    expect(wilson(0, 0)).toEqual({ low: 0, high: 1 });
  });
});

/** The same test in whole numbers: 2 · Σ C(n, i) over 2ⁿ. */
function exactP(better: number, worse: number): number {
  const n = BigInt(better + worse);
  let [term, tail] = [1n, 0n];
  for (let i = 0n; i <= BigInt(Math.min(better, worse)); i += 1n) {
    tail += term;
    term = (term * (n - i)) / (i + 1n);
  }
  const scaled = (2n * tail * 10n ** 60n) / 2n ** n;
  return Math.min(1, Number(scaled) / 1e60);
}

describe("McNemar's exact test", () => {
  it('is 2 · (1 + 12 + 66) / 4096 for ten against two', () => {
    expect(mcnemarExact(10, 2)).toBeCloseTo(158 / 4096, 14);
    expect(mcnemarExact(2, 10)).toBe(mcnemarExact(10, 2));
  });

  it.each([
    [0, 1],
    [1, 1],
    [5, 5],
    [30, 12],
    [120, 40],
    [300, 200],
  ])('agrees with whole-number arithmetic for %i against %i', (better, worse) => {
    const expected = exactP(better, worse);
    expect(Math.abs(mcnemarExact(better, worse) - expected)).toBeLessThan(1e-10 * expected + 1e-15);
  });

  it('is 1 without discordant pairs', () => {
    expect(mcnemarExact(0, 0)).toBe(1);
  });
});

describe("Holm's adjustment", () => {
  it('multiplies the smallest most, keeps order and never falls', () => {
    const got = holm([0.01, 0.04, 0.03, 0.005]);
    [0.03, 0.06, 0.06, 0.02].forEach((expected, i) => expect(got[i]).toBeCloseTo(expected, 12));
    expect(holm([0.9, 0.8])).toEqual([1, 1]);
    expect(holm([])).toEqual([]);
  });
});

/** Interval of 100 cases, half of them all right and half all wrong, with `count` answers each. */
const intervalOf = (count: number) =>
  bootstrapInterval(
    Array.from({ length: 100 }, (_, i) => ({ sum: i % 2 === 0 ? count : 0, count })),
    drawCases(100, 1000, 3),
  );

describe('the bootstrap over cases', () => {
  it('draws the same cases from the same seed, others from another, and each draw by itself', () => {
    expect(drawCases(50, 4, 1)).toEqual(drawCases(50, 4, 1));
    expect(drawCases(50, 4, 1)).not.toEqual(drawCases(50, 4, 2));
    expect(drawCases(50, 8, 1).slice(0, 4)).toEqual(drawCases(50, 4, 1));
  });

  it('comes near the normal interval of a mean of many independent cases', () => {
    const clusters = Array.from({ length: 400 }, (_, i) => ({ sum: i % 4 === 0 ? 1 : 0, count: 1 }));
    const { low, high } = bootstrapInterval(clusters, drawCases(400, 4000, 3));
    const half = 1.96 * Math.sqrt((0.25 * 0.75) / 400);
    expect(Math.abs(low - (0.25 - half))).toBeLessThan(0.006);
    expect(Math.abs(high - (0.25 + half))).toBeLessThan(0.006);
  });

  it('is as wide for four equal answers a case as for one, since they tell nothing more', () => {
    expect(intervalOf(4)).toEqual(intervalOf(1));
  });

  it('refuses draws of another number of cases', () => {
    expect(() => bootstrapInterval([{ sum: 1, count: 1 }], drawCases(2, 1, 0))).toThrow(
      /2 cases was given for 1/,
    );
  });
});

/** Draws of a bootstrap for any number of cases. */
const draws = (resamples: number) => (cases: number) => drawCases(cases, resamples, 0);

const answers = (rights: readonly boolean[], questions = ['a']): Answered[] =>
  rights.flatMap((correct, i) => questions.map((question) => ({ caseId: `c${i}`, question, correct })));

describe('a comparison of two models', () => {
  const model = answers([true, true, true, false, true]);
  const base = answers([false, false, true, true, false]);

  it('with one question a case is McNemar’s', () => {
    expect(compare(model, base, draws(200))).toMatchObject({
      cases: 5,
      answers: 5,
      better: 3,
      worse: 1,
      p: mcnemarExact(3, 1),
    });
    expect(compare(model, base, draws(200)).difference).toBeCloseTo(2 / 5, 14);
  });

  it('gains no certainty from asking each case four times', () => {
    const four = ['a', 'b', 'c', 'd'];
    const once = compare(model, base, draws(200));
    const often = compare(
      answers([true, true, true, false, true], four),
      answers([false, false, true, true, false], four),
      draws(200),
    );
    expect({ ...often, answers: 5 }).toEqual(once);
  });

  it('leaves out questions that only one of them was asked', () => {
    expect(compare(model, base.slice(0, 2), draws(50))).toMatchObject({ cases: 2, better: 2, worse: 0 });
  });

  it('does not depend on the order of the answers', () => {
    expect(compare(model.toReversed(), base, draws(200))).toEqual(compare(model, base, draws(200)));
  });

  it('is adjusted for the others made beside it', () => {
    const one = compare(model, base, draws(50));
    expect(adjusted([one, one]).map((comparison) => comparison.adjustedP)).toEqual([
      Math.min(1, 2 * one.p),
      Math.min(1, 2 * one.p),
    ]);
  });
});
