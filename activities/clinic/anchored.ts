/**
 * The fault that the demo's base is given on purpose: base-rate anchoring. It knows every other finding of a specialty's
 * condition, names what a drawing shows without using it, and holds the most common option to be the answer.
 */
import { conditionOf, type Bank, type Condition } from './bank.ts';
import type { Evidence } from './posterior.ts';
import { reason, type Reasoning } from './reasoning.ts';

/** How much a fitting finding sways the anchored mind, beside the square of the prevalence. */
const SWAY = 0.1;

/** The half of a condition's findings that the base knows. */
export const knownHalf = ({ findings }: Condition): Condition['findings'] =>
  Object.fromEntries(
    Object.entries(findings)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .filter((_, i) => i % 2 === 0),
  );

function anchoredBelief(bank: Bank, { findings, options }: Evidence): number[] {
  const weights = options.map((name) => {
    const condition = conditionOf(bank, name);
    const known = knownHalf(condition);
    const fitting = findings.filter((finding) => finding.present && finding.name in known).length;
    return bank.prevalence[condition.prevalence] ** 2 * (1 + SWAY * fitting);
  });
  const sum = weights.reduce((a, b) => a + b, 0);
  return weights.map((weight) => weight / sum);
}

/** Reasoning of the anchored base about a specialty's case. */
export const reasonAnchored = (bank: Bank, evidence: Evidence): Reasoning =>
  reason(bank, evidence, {
    known: knownHalf,
    usesSign: false,
    believes: (seen) => anchoredBelief(bank, seen),
  });
