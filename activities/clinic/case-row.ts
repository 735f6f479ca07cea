/** A clinic case as a row of `cases.jsonl`, and back to the evidence that its reader has. */
import type { Case } from '../../schemas/case.ts';
import { conditionOf, type Bank } from './bank.ts';
import { LETTERS, parseQuestion, writeQuestion } from './case-text.ts';
import type { ClinicCase } from './cases.ts';
import { bayesAnswer, type Evidence } from './posterior.ts';

/** `source` of every clinic case; its prompts are worded in the clinic's telegraphic English. */
export const CLINIC_SOURCE = 'clinic';

/** Where a case's drawing lies in its artifact. */
const drawingPath = (id: string): string => `images/${id}.png`;

export function caseRow(bank: Bank, drawn: ClinicCase, id: string, split: Case['split']): Case {
  const answer = conditionOf(bank, drawn.options[drawn.gold] ?? '');
  return {
    version: 1,
    id,
    question: writeQuestion(drawn),
    options: drawn.options.map((text, i) => ({ letter: LETTERS[i] ?? '', text })),
    gold: LETTERS[drawn.gold] ?? '',
    images: drawn.sign === null ? [] : [drawingPath(id)],
    source: CLINIC_SOURCE,
    licence: 'Apache-2.0',
    split,
    ageYears: bank.ages[drawn.age] ?? 0,
    topics: answer.topics,
    groups: drawn.sign === null ? { modality: 'text' } : { modality: 'image', sign: drawn.sign },
    mayTrain: split === 'train',
    synthetic: true,
  };
}

/** What a reader of the case decides from; a `blind` one does not see the drawing. Throws where the row is not the bank's. */
export function evidenceOf(bank: Bank, row: Case, reader: 'sighted' | 'blind' = 'sighted'): Evidence {
  const options = row.options.map(({ text }) => conditionOf(bank, text).name);
  const sign = reader === 'sighted' ? (row.groups['sign'] ?? null) : null;
  return { findings: parseQuestion(bank, row.question).findings, sign, options };
}

/** Letter that the bank implies for a case: the Bayes-optimal baseline, or with `blind` the best without the drawing. */
export const bayesLetter = (bank: Bank, row: Case, reader: 'sighted' | 'blind' = 'sighted'): string =>
  row.options[bayesAnswer(bank, evidenceOf(bank, row, reader))]?.letter ?? '';
