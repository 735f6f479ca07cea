/**
 * Case to specialty by an ordered table: the first row that fits decides (section 3.1 names the four specialties; the
 * table is this project's and a setting).
 */
import type { z } from 'zod';
import type { Case } from '../../schemas/case.ts';
import { Classify, type ClassifyRule } from '../../schemas/config/classify.ts';
import type { Specialty } from '../../schemas/specialty.ts';

/** Parameters of `classify`: the table and what a case is that no row fits. */
export const ClassifyParams = Classify;
export type ClassifyParams = z.infer<typeof ClassifyParams>;

const fits = ({ when }: ClassifyRule, { ageYears, topics }: Case): boolean => {
  if (when.ageYearsBelow !== undefined && !(ageYears !== undefined && ageYears < when.ageYearsBelow))
    return false;
  const wanted = when.topics?.map((topic) => topic.toLowerCase());
  return wanted === undefined || topics.some((topic) => wanted.includes(topic.toLowerCase()));
};

export interface Classified {
  readonly cases: readonly (Case & { readonly specialty: Specialty })[];
  readonly counts: Readonly<Record<Specialty, number>>;
  /** Cases that rows of more than one specialty fit. */
  readonly collisions: number;
  /** Cases that no row fits. */
  readonly unmatched: number;
}

/** Gives each case its specialty, in order. */
export function classifyCases(cases: readonly Case[], params: ClassifyParams): Classified {
  const counts: Record<Specialty, number> = { AM: 0, CAH: 0, BS: 0, CSI: 0 };
  let collisions = 0;
  let unmatched = 0;
  const classified = cases.map((one) => {
    const fitting = params.rules.filter((rule) => fits(rule, one)).map(({ specialty }) => specialty);
    if (new Set(fitting).size > 1) collisions++;
    if (fitting.length === 0) unmatched++;
    const specialty = fitting[0] ?? params.default;
    counts[specialty]++;
    return { ...one, specialty };
  });
  return { cases: classified, counts, collisions, unmatched };
}
