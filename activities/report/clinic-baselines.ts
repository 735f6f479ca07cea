/** What the synthetic clinic's own table implies: the best that any reader of its cases can do. */
import type { Case } from '../../schemas/case.ts';
import type { Baseline } from '../../schemas/report.ts';
import type { Bank } from '../clinic/bank.ts';
import { bayesLetter, CLINIC_SOURCE } from '../clinic/case-row.ts';
import { baselineOf } from '../evaluate/baselines.ts';

/** Baselines of the clinic's cases; none where a case is not the clinic's. */
export function clinicBaselines(bank: Bank, cases: readonly Case[]): Baseline[] {
  if (cases.some((one) => one.source !== CLINIC_SOURCE)) return [];
  return [
    baselineOf(
      'bayes-blind',
      'Bayes’ rule over the table, drawings unseen; image cases are kept only where this misleads',
      cases,
      (one) => (bayesLetter(bank, one, 'blind') === one.gold ? 1 : 0),
    ),
    baselineOf(
      'bayes-optimal',
      'Bayes’ rule over the table, drawings seen; cases are kept only where this is right',
      cases,
      (one) => (bayesLetter(bank, one) === one.gold ? 1 : 0),
    ),
  ];
}
