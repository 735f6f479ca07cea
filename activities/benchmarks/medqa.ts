/** MedQA-USMLE as its authors ship it: JSONL with `question`, `answer`, `options`, `answer_idx`, `meta_info`; no ids. */
import { z } from 'zod';
import { BadRecord, caseOf, parseRecord, splitOf, type BenchmarkFormat } from './format.ts';

const Row = z.looseObject({
  question: z.string().min(1),
  answer: z.string(),
  options: z.record(z.string().regex(/^[A-Z]$/), z.string()),
  answer_idx: z.string(),
  meta_info: z.string().default(''),
});

export const medqa: BenchmarkFormat = {
  name: 'medqa',
  fits: (record) => ['question', 'answer', 'options', 'answer_idx'].every((field) => field in record),
  read(record, place) {
    const row = parseRecord(Row, record, place);
    const stated = row.options[row.answer_idx];
    if (stated !== row.answer)
      throw new BadRecord(
        place,
        `answer_idx ${row.answer_idx} is "${stated ?? 'no option'}", but answer is "${row.answer}"`,
      );
    return caseOf(
      {
        version: 1,
        id: `medqa/${place.file.replace(/\.jsonl$/, '')}/${String(place.index).padStart(5, '0')}`,
        question: row.question,
        options: Object.entries(row.options).map(([letter, text]) => ({ letter, text })),
        gold: row.answer_idx,
        source: 'MedQA',
        licence: 'MIT',
        split: splitOf(place.file),
        groups: row.meta_info === '' ? {} : { meta_info: row.meta_info },
        mayTrain: splitOf(place.file) === 'train',
      },
      place,
    );
  },
};
