/** From answers to accuracies: in total, by grouping field, micro and macro. */
import type { Prediction } from '../../schemas/prediction.ts';
import type { Cell, Section } from '../../schemas/report.ts';
import { wilson } from './statistics/wilson.ts';

/** An answer as reports count it. */
export interface Counted {
  readonly correct: boolean;
  readonly parsed: boolean;
  readonly truncated: boolean;
  readonly groups: Readonly<Record<string, string>>;
}

/** An answer as profile `scorer` read it; its paradigm is one more grouping field. */
export function countedBy(scorer: string, prediction: Prediction): Counted {
  const reading = prediction.readings[scorer];
  if (reading === undefined)
    throw new Error(
      `the answer to ${prediction.caseId} was not read by ${scorer}, only by ${Object.keys(prediction.readings).join(', ')}`,
    );
  return {
    correct: reading.correct,
    parsed: reading.letter !== null,
    truncated: prediction.finishReason === 'length',
    groups: { ...prediction.groups, paradigm: prediction.paradigm ?? 'plain' },
  };
}

/** Accuracy of some answers with its interval. */
export function cellOf(answers: readonly Counted[]): Cell {
  const right = answers.filter((answer) => answer.correct).length;
  return {
    answers: answers.length,
    right,
    accuracy: answers.length === 0 ? 0 : right / answers.length,
    ...wilson(right, answers.length),
    unparsed: answers.filter((answer) => !answer.parsed).length,
    truncated: answers.filter((answer) => answer.truncated).length,
  };
}

/** Rows by the value of a field, values in order; rows without the field are left out. */
export function groupedBy<T extends { readonly groups: Readonly<Record<string, string>> }>(
  field: string,
  rows: readonly T[],
): [value: string, rows: T[]][] {
  const byValue = new Map<string, T[]>();
  for (const row of rows) {
    const value = row.groups[field];
    if (value === undefined) continue;
    const found = byValue.get(value);
    if (found === undefined) byValue.set(value, [row]);
    else found.push(row);
  }
  return [...byValue].toSorted(([a], [b]) => (a < b ? -1 : 1));
}

/** The grouping fields that any row has, in order. */
export const fieldsOf = (rows: readonly { readonly groups: Readonly<Record<string, string>> }[]): string[] =>
  [...new Set(rows.flatMap((row) => Object.keys(row.groups)))].toSorted();

/** Accuracy in total (micro), by each value of each field, and each field's mean over its values (macro). */
export function sectionOf(
  answers: readonly Counted[],
  fields: readonly string[] = fieldsOf(answers),
): Section {
  const groups: Section['groups'] = {};
  const macro: Section['macro'] = {};
  for (const field of fields) {
    const cells = groupedBy(field, answers).map(([value, rows]) => [value, cellOf(rows)] as const);
    if (cells.length === 0) continue;
    groups[field] = Object.fromEntries(cells);
    macro[field] = cells.reduce((sum, [, cell]) => sum + cell.accuracy, 0) / cells.length;
  }
  return { overall: cellOf(answers), groups, macro };
}
