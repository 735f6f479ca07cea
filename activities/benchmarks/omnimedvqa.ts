/**
 * OmniMedVQA: `QA_information/{Open,Restricted}-access/<data set>.json`, each an array, images relative to the folder.
 *
 * Irregularities met: two to four options, those unused absent or null; the right option is given as text, which may
 * differ in case and final full stop; one record has `modality` in place of `modality_type`.
 */
import { z } from 'zod';
import { BadRecord, caseOf, parseRecord, type BenchmarkFormat } from './format.ts';
import { sameText } from './option-text.ts';

const LETTERS = ['A', 'B', 'C', 'D'] as const;
const option = z.string().nullish();

const Row = z.looseObject({
  dataset: z.string().default('unknown'),
  question_id: z.string().min(1),
  question_type: z.string().default('unknown'),
  question: z.string().min(1),
  gt_answer: z.string(),
  image_path: z.string().min(1),
  option_A: option,
  option_B: option,
  option_C: option,
  option_D: option,
  modality_type: z.string().optional(),
  modality: z.string().optional(),
});

export const omnimedvqa: BenchmarkFormat = {
  name: 'omnimedvqa',
  fits: (record) => ['question_id', 'gt_answer', 'image_path', 'option_A'].every((field) => field in record),
  choose: (files) => files,
  read(record, place) {
    const row = parseRecord(Row, record, place);
    const options = LETTERS.flatMap((letter) => {
      const text = row[`option_${letter}`];
      return typeof text === 'string' && text.trim() !== '' ? [{ letter, text }] : [];
    });
    const fitting = options.filter(({ text }) => text === row.gt_answer);
    const right =
      fitting.length > 0 ? fitting : options.filter(({ text }) => sameText(text) === sameText(row.gt_answer));
    if (right.length === 0) throw new BadRecord(place, `gt_answer "${row.gt_answer}" is none of the options`);
    return caseOf(
      {
        version: 1,
        id: row.question_id,
        question: row.question,
        options,
        gold: right[0]!.letter,
        images: [row.image_path],
        source: 'OmniMedVQA',
        licence: "each source data set's own",
        split: 'test',
        groups: {
          modality: row.modality_type ?? row.modality ?? 'unknown',
          question_type: row.question_type,
          dataset: place.file
            .split('/')
            .at(-1)!
            .replace(/\.json$/, ''),
        },
        mayTrain: false,
      },
      place,
    );
  },
};
