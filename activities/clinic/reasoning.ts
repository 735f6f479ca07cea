/** What there is to say about each option of a case, before a paradigm words it. */
import { conditionOf, type Bank, type Condition } from './bank.ts';
import { argmax, posteriors, priors, probabilityBand, type Evidence } from './posterior.ts';

/** A drawing counts as much as two findings in a differential's score. */
export const SIGN_SCORE = 2;

export interface OptionReasoning {
  readonly name: string;
  /** Present findings that the condition lists, and those it does not, in the order of the question. */
  readonly fits: readonly string[];
  readonly rest: readonly string[];
  /** The drawing's sign where it is the condition's own. */
  readonly sign: string | null;
  /** The fitting sign, else the fitting finding of the highest band, the first of equals; null where nothing fits. */
  readonly strongest: string | null;
  /** Fitting findings, and {@link SIGN_SCORE} for a fitting sign. */
  readonly score: number;
  /** Bands 0–4 of the option's probability before and after the evidence. */
  readonly prior: number;
  readonly posterior: number;
}

export interface Reasoning {
  /** What the drawing shows. */
  readonly shows: string | null;
  readonly options: readonly OptionReasoning[];
  /** Index of the concluded option. */
  readonly answer: number;
}

/** The parts of the table that a reasoner knows and what it makes of them. */
export interface Mind {
  readonly known: (condition: Condition) => Condition['findings'];
  readonly usesSign: boolean;
  /** Probability of each option after the evidence, in the order of the options. */
  readonly believes: (evidence: Evidence) => readonly number[];
}

export function reason(bank: Bank, evidence: Evidence, mind: Mind): Reasoning {
  const present = evidence.findings.filter((finding) => finding.present).map(({ name }) => name);
  const before = priors(bank, evidence.options);
  const after = mind.believes(evidence);
  const options = evidence.options.map((name, i): OptionReasoning => {
    const condition = conditionOf(bank, name);
    const known = mind.known(condition);
    const fits = present.filter((finding) => finding in known);
    const sign = mind.usesSign && condition.sign === evidence.sign ? condition.sign : null;
    const strengths = fits.map((finding) => bank.bands[known[finding] ?? bank.unlisted]);
    return {
      name,
      fits,
      rest: present.filter((finding) => !(finding in known)),
      sign,
      strongest: sign ?? fits[argmax(strengths)] ?? null,
      score: fits.length + (sign === null ? 0 : SIGN_SCORE),
      prior: probabilityBand(before[i] ?? 0),
      posterior: probabilityBand(after[i] ?? 0),
    };
  });
  return { shows: evidence.sign, options, answer: argmax(after) };
}

/** Reasoning by the whole bank and Bayes' rule. */
export const reasonByBank = (bank: Bank, evidence: Evidence): Reasoning =>
  reason(bank, evidence, {
    known: (condition) => condition.findings,
    usesSign: true,
    believes: (seen) => posteriors(bank, seen),
  });
