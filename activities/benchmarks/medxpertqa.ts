/**
 * MedXpertQA, MM and Text: the layout of its Hugging Face data set and that of its evaluation repository. Every question
 * ends in a copy of its options ("\nAnswer Choices: (A) …"), which is cut off where it is that, since prompts list the
 * options themselves.
 */
import { z } from 'zod';
import { BadRecord, caseOf, parseRecord, splitOf, type BenchmarkFormat } from './format.ts';

const Letter = z.string().regex(/^[A-Z]$/);

const Row = z.looseObject({
  id: z.string().min(1),
  question: z.string().min(1),
  options: z.union([
    z.record(Letter, z.string()),
    z.array(z.looseObject({ letter: Letter, content: z.string() })),
  ]),
  label: z.union([Letter, z.array(Letter).length(1)]),
  images: z.array(z.union([z.string(), z.looseObject({ image_path: z.string() })])).default([]),
  medical_task: z.string(),
  body_system: z.string(),
  question_type: z.string(),
});

export const medxpertqa: BenchmarkFormat = {
  name: 'medxpertqa',
  fits: (record) => ['medical_task', 'body_system', 'question_type'].every((field) => field in record),
  read(record, place) {
    const row = parseRecord(Row, record, place);
    const options = Array.isArray(row.options)
      ? row.options.map(({ letter, content }) => ({ letter, text: content }))
      : Object.entries(row.options).map(([letter, text]) => ({ letter, text }));
    const tail = `\nAnswer Choices: ${options.map(({ letter, text }) => `(${letter}) ${text}`).join(' ')}`;
    const question = row.question.endsWith(tail) ? row.question.slice(0, -tail.length) : row.question;
    const gold = Array.isArray(row.label) ? row.label[0] : row.label;
    if (gold === undefined) throw new BadRecord(place, 'label: there is none');
    return caseOf(
      {
        version: 1,
        id: row.id,
        question,
        options,
        gold,
        images: row.images.map((image) => (typeof image === 'string' ? image : image.image_path)),
        source: 'MedXpertQA',
        licence: 'MIT',
        split: splitOf(place.file),
        groups: {
          question_type: row.question_type,
          medical_task: row.medical_task,
          body_system: row.body_system,
        },
        mayTrain: false,
      },
      place,
    );
  },
};
