import type { Comparison, ComparisonReport } from '../../schemas/report.ts';

/** The level at which a difference from the base counts. */
const LEVEL = 0.001;

const signed = (value: number): string => `${value < 0 ? '−' : '+'}${Math.abs(value).toFixed(3)}`;

/** A probability as people write it: .0004, 3e-12, .21. */
const pText = (p: number): string => (p < 1e-3 ? p.toExponential(0) : p.toPrecision(2)).replace(/^0\./, '.');

const holds = ({ difference, p }: Comparison): boolean => difference > 0 && p < LEVEL;

const sayOne = (scorer: string, { difference, low, high, better, worse, p }: Comparison): string =>
  `${signed(difference)} (95 % interval ${signed(low)} to ${signed(high)}) by ${scorer}, ` +
  `${better} cases better and ${worse} worse, p = ${pText(p)}`;

/**
 * Whether a model beats the base by every one of the scorers, in words. It does only where it is better at p < .001 by
 * each, so that form alone is not taken for medicine.
 */
export function verdictOf(
  model: string,
  base: string,
  comparisons: Readonly<Record<string, Comparison>>,
): NonNullable<ComparisonReport['verdict']> {
  const all = Object.entries(comparisons);
  const beats = all.length > 0 && all.every(([, comparison]) => holds(comparison));
  const detail = all.map(([scorer, comparison]) => sayOne(scorer, comparison)).join('; ');
  const cases = all[0]?.[1].cases ?? 0;
  const failing = all.filter(([, comparison]) => !holds(comparison)).map(([scorer]) => scorer);
  const claim = beats
    ? `${model} beats ${base} on ${cases} held-out cases at p < .001 by every scorer`
    : `${model} does not beat ${base} at p < .001 on ${cases} held-out cases by ${failing.join(' and ')}`;
  return { model, beats, sentence: `${claim}: ${detail}.` };
}
