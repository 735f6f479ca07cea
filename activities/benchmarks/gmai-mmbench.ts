/**
 * GMAI-MMBench as OpenGVLab/GMAI-MMBench ships it: `GMAI_mm_bench_VAL.tsv`, a row a question, its image in the row as
 * base64. The parts of TEST have no answers, and are read only where there is no VAL.
 *
 * Columns: `index, image, question, A–E, answer, category, original task, modality, clinical VQA task, department,
 * perceptual granularity`, in VLMEvalKit's copies in lower case. Irregularities met: two to five options, those unused
 * empty or `None`. By VLMEvalKit's rules an `image` of at most 64 characters is the `index` of a row with the same
 * image, and one that is written as a list holds several.
 */
import { z } from 'zod';
import { BadRecord, caseOf, parseRecord, type BenchmarkFormat, type Place } from './format.ts';

const LETTERS = ['A', 'B', 'C', 'D', 'E'] as const;
const filled = z.string().trim().min(1);
const group = z.string().trim().default('');
const option = z.string().optional();

const Row = z.looseObject({
  index: filled,
  image: filled,
  question: filled,
  A: option,
  B: option,
  C: option,
  D: option,
  E: option,
  answer: z.string({ error: 'is not there: TEST is published without answers, VAL has them' }).trim(),
  'clinical vqa task': group,
  department: group,
  'perceptual granularity': group,
  modality: group,
  'original task': group,
});

/** Names of columns as VLMEvalKit has them: all but the options' letters in lower case. */
const inLowerCase = (record: object): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(record).map(([name, value]) => [/^[A-Z]$/.test(name) ? name : name.toLowerCase(), value]),
  );

const rowOf = (record: unknown, place: Place) =>
  parseRecord(Row, typeof record === 'object' && record !== null ? inLowerCase(record) : record, place);

const LONGEST_REFERENCE = 64;

/** What an `image` cell holds: images as base64 by the names they get here, or the name of another row's. */
function imagesOf({ index, image }: z.infer<typeof Row>): { name: string; base64?: string }[] {
  if (image.length <= LONGEST_REFERENCE) return [{ name: `${image}.png` }];
  if (!image.startsWith('[')) return [{ name: `${index}.png`, base64: image }];
  return [...image.matchAll(/["']([^"']+)["']/g)].map((found, i) => ({
    name: `${index}-${i}.png`,
    base64: found[1]!,
  }));
}

const isVal = (file: string): boolean => /_val[_.]/i.test(file);

export const gmaiMmbench: BenchmarkFormat = {
  name: 'gmai-mmbench',
  fits(record) {
    const row = inLowerCase(record);
    return ['index', 'question', 'A', 'clinical vqa task', 'department'].every((field) => field in row);
  },
  choose: (files) => (files.some(isVal) ? files.filter(isVal) : files),
  embedded: (record, place) =>
    imagesOf(rowOf(record, place)).flatMap(({ name, base64 }) =>
      base64 === undefined ? [] : [{ name, base64 }],
    ),
  read(record, place) {
    const row = rowOf(record, place);
    const options = LETTERS.flatMap((letter) => {
      const text = (row[letter] ?? '').trim();
      return text === '' || text === 'None' ? [] : [{ letter, text }];
    });
    if (!options.some(({ letter }) => letter === row.answer))
      throw new BadRecord(place, `answer: ${JSON.stringify(row.answer)} is not the letter of an option`);
    return caseOf(
      {
        version: 1,
        id: `gmai-mmbench/${row.index}`,
        question: row.question,
        options,
        gold: row.answer,
        images: imagesOf(row).map(({ name }) => name),
        source: 'GMAI-MMBench',
        licence: "Apache-2.0 by its data card; the images have their own data sets'",
        split: 'test',
        groups: {
          clinical_task: row['clinical vqa task'] || 'N/A',
          department: row.department || 'N/A',
          granularity: row['perceptual granularity'] || 'N/A',
          modality: row.modality || 'N/A',
          original_task: row['original task'] || 'N/A',
        },
        mayTrain: false,
      },
      place,
    );
  },
};
