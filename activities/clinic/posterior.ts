/** Bayes' rule over a case's options: the answer that the bank itself implies, and how sure it is. */
import { conditionOf, type Bank, type Condition } from './bank.ts';

/** A finding that a case reports as present or absent. */
export interface Finding {
  readonly name: string;
  readonly present: boolean;
}

/** What a reader of a case has to decide from: the findings, the drawing's sign, the options by condition name. */
export interface Evidence {
  readonly findings: readonly Finding[];
  /** Null where the case has no drawing, or where its reader is blind. */
  readonly sign: string | null;
  readonly options: readonly string[];
}

/** P(finding as reported | condition). */
export function likelihood(bank: Bank, condition: Condition, { name, present }: Finding): number {
  const p = bank.bands[condition.findings[name] ?? bank.unlisted];
  return present ? p : 1 - p;
}

const normalise = (weights: readonly number[]): number[] => {
  const sum = weights.reduce((a, b) => a + b, 0);
  return weights.map((weight) => weight / sum);
};

/** P(option) by prevalence alone, in the order of the options. */
export const priors = (bank: Bank, options: readonly string[]): number[] =>
  normalise(options.map((name) => bank.prevalence[conditionOf(bank, name).prevalence]));

/** P(option | evidence), in the order of the options: prior × likelihoods of the findings × likelihood of the sign. */
export function posteriors(bank: Bank, { findings, sign, options }: Evidence): number[] {
  return normalise(
    options.map((name) => {
      const condition = conditionOf(bank, name);
      const prior = bank.prevalence[condition.prevalence];
      const seen = sign === null ? 1 : bank.bands[condition.sign === sign ? bank.sign.own : bank.sign.other];
      return findings.reduce((p, finding) => p * likelihood(bank, condition, finding), prior * seen);
    }),
  );
}

/** Index of the largest number; the first of equals. */
export const argmax = (numbers: readonly number[]): number =>
  numbers.reduce((best, number, i) => (number > (numbers[best] ?? -Infinity) ? i : best), 0);

/** The Bayes-optimal answer, as an index into the options. */
export const bayesAnswer = (bank: Bank, evidence: Evidence): number => argmax(posteriors(bank, evidence));

/** Five bands of probability, from the least to the most likely, as traces word them. */
export const PROBABILITY_BANDS = ['remote', 'low', 'fair', 'high', 'sure'] as const;
const BAND_LIMITS = [0.05, 0.2, 0.5, 0.8];

/** Band of a probability: 0 below .05, 1 below .2, 2 below .5, 3 below .8, else 4. */
export const probabilityBand = (p: number): number => BAND_LIMITS.filter((limit) => p >= limit).length;
