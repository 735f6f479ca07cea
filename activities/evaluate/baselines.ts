/** What could be had without the model: each baseline is a probability of being right, case by case. */
import type { Case } from '../../schemas/case.ts';
import type { Baseline } from '../../schemas/report.ts';
import { fieldsOf, groupedBy } from './aggregate.ts';

/** The grouping fields of a case: its own, its specialty, and image or text unless the benchmark says finer. */
export const groupsOf = (one: Case): Record<string, string> => ({
  modality: one.images.length > 0 ? 'image' : 'text',
  ...one.groups,
  ...(one.specialty === undefined ? {} : { specialty: one.specialty }),
});

const mean = (values: readonly number[]): number =>
  values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;

/** A baseline from each case's probability of being right, in total and by grouping field. */
export function baselineOf(
  name: string,
  about: string,
  cases: readonly Case[],
  probability: (one: Case) => number,
): Baseline {
  const rows = cases.map((one) => ({ groups: groupsOf(one), p: probability(one) }));
  const groups = Object.fromEntries(
    fieldsOf(rows).map((field) => [
      field,
      Object.fromEntries(
        groupedBy(field, rows).map(([value, some]) => [value, mean(some.map((row) => row.p))]),
      ),
    ]),
  );
  return { name, about, overall: mean(rows.map((row) => row.p)), groups };
}

/** The letter that is right most often, the first of several: always answering it is the constant-letter baseline. */
export function commonestLetter(cases: readonly Case[]): string | undefined {
  const counts = new Map<string, number>();
  for (const { gold } of cases) counts.set(gold, (counts.get(gold) ?? 0) + 1);
  return [...counts].toSorted(([a, n], [b, m]) => m - n || (a < b ? -1 : 1))[0]?.[0];
}

/** The baselines that need nothing but the cases. */
export function plainBaselines(cases: readonly Case[]): Baseline[] {
  const letter = commonestLetter(cases);
  if (letter === undefined) return [];
  return [
    baselineOf(
      'constant-letter',
      `always ${letter}, the letter that is right most often here`,
      cases,
      (one) => (one.gold === letter ? 1 : 0),
    ),
    baselineOf('uniform', 'any option, each equally likely', cases, (one) => 1 / one.options.length),
  ];
}
