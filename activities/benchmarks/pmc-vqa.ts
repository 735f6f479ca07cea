/**
 * PMC-VQA, both versions of xmcmic/PMC-VQA (and RadGenome/PMC-VQA). Version 2, on figures cut out of compound ones:
 * `{train,test}_2.csv` with `index, Figure_path, Caption, Question, Choice A–D, Answer, split`, where `Answer` is the
 * letter. Version 1, on whole figures: `{train,test,test_clean}.csv` with `Figure_path, Question, Answer, Choice A–D,
 * Answer_label`, where `Answer` is the text.
 *
 * Irregularities met: blanks around cells; options that begin with their own letter (`" A: Green "`), which is cut off;
 * `Anwser` for `Answer`. Of several test files version 2's counts, then the one checked by hand.
 */
import { z } from 'zod';
import { BadRecord, caseOf, parseRecord, splitOf, type BenchmarkFormat } from './format.ts';
import { withoutLetter } from './option-text.ts';

const LETTERS = ['A', 'B', 'C', 'D'] as const;
const filled = z.string().trim().min(1);

const Row = z.looseObject({
  Figure_path: filled,
  Question: filled,
  'Choice A': filled,
  'Choice B': filled,
  'Choice C': filled,
  'Choice D': filled,
  Answer: z.string().optional(),
  Anwser: z.string().optional(),
  Answer_label: z.string().optional(),
});

const TESTS = ['test_2.csv', 'test_clean.csv', 'test.csv'];
const nameOf = (file: string): string => file.split('/').at(-1) ?? file;

export const pmcVqa: BenchmarkFormat = {
  name: 'pmc-vqa',
  fits: (record) => ['Figure_path', 'Question', 'Choice A', 'Choice D'].every((field) => field in record),
  choose(files) {
    const test = TESTS.find((name) => files.some((file) => nameOf(file) === name));
    return test === undefined ? files : files.filter((file) => nameOf(file) === test);
  },
  imageFolders: ['figures', 'images_2/figures', 'images_2', 'images/figures'],
  read(record, place) {
    const row = parseRecord(Row, record, place);
    const field = (['Answer_label', 'Answer', 'Anwser'] as const).find((name) => row[name] !== undefined);
    if (field === undefined) throw new BadRecord(place, 'neither Answer_label nor Answer is there');
    const gold = row[field]!.trim();
    if (!LETTERS.some((letter) => letter === gold))
      throw new BadRecord(place, `${field}: ${JSON.stringify(gold)} is none of the letters A to D`);
    return caseOf(
      {
        version: 1,
        id: `pmc-vqa/${place.file.replace(/\.csv$/, '')}/${String(place.index).padStart(6, '0')}`,
        question: row.Question,
        options: LETTERS.map((letter) => ({ letter, text: withoutLetter(letter, row[`Choice ${letter}`]) })),
        gold,
        images: [row.Figure_path],
        source: 'PMC-VQA',
        licence: 'CC BY-SA',
        split: splitOf(place.file),
        // Scores of its test files are not comparable, so that a report says which it was.
        groups: { file: nameOf(place.file) },
        mayTrain: splitOf(place.file) === 'train',
      },
      place,
    );
  },
};
