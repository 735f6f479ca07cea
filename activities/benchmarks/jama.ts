/**
 * JAMA Clinical Challenge, which may not be passed on: `jama_raw.csv` or `jama_raw.json` as the scraper of
 * HanjieChen/ChallengeClinicalQA writes them for those with access, with `link, question, opa–opd, diagnosis,
 * answer_idx, answer, explanation, field`.
 *
 * The scraper keeps no images. Who has them adds a column `images`: file names, in CSV separated by `;`. Options begin
 * with their own letter, which is cut off. Journals of one specialty say what a case is about, for `classify`.
 */
import { z } from 'zod';
import { BadRecord, caseOf, parseRecord, type BenchmarkFormat } from './format.ts';
import { sameText, withoutLetter } from './option-text.ts';

const LETTERS = ['A', 'B', 'C', 'D'] as const;
const filled = z.string().trim().min(1);

const Row = z.looseObject({
  link: filled.regex(/^https?:/, 'is the address of the article'),
  question: filled,
  opa: filled,
  opb: filled,
  opc: filled,
  opd: filled,
  answer_idx: z
    .string()
    .trim()
    .regex(/^[A-D]$/, 'is a letter from A to D'),
  answer: filled,
  field: z.string().nullish(),
  images: z
    .union([z.array(filled), z.string().transform((names) => names.split(';').map((name) => name.trim()))])
    .nullish()
    .transform((names) => (names ?? []).filter((name) => name !== '')),
});

/** What the cases of a journal are about, in the words that the presets' table of specialties has. */
const TOPICS: Readonly<Record<string, string>> = {
  jamadermatology: 'dermatology',
  jamacardiology: 'cardiology',
  jamaneurology: 'neurology',
  jamaoncology: 'neoplasm',
  jamaophthalmology: 'eye',
  jamaotolaryngology: 'ear-nose-throat',
  jamapediatrics: 'paediatrics',
  jamapsychiatry: 'psychiatry',
  jamasurgery: 'surgery',
};

export const jama: BenchmarkFormat = {
  name: 'jama',
  fits: (record) =>
    ['link', 'question', 'opa', 'opd', 'answer_idx', 'field'].every((field) => field in record),
  choose(files) {
    // The scraper writes the same rows twice.
    const csv = files.filter((file) => file.endsWith('.csv'));
    return csv.length > 0 ? csv : files;
  },
  read(record, place) {
    const row = parseRecord(Row, record, place);
    const options = LETTERS.map((letter) => ({
      letter,
      text: withoutLetter(letter, row[`op${letter.toLowerCase() as 'a' | 'b' | 'c' | 'd'}`]),
    }));
    // Letters are from a list of their own, and the page's options may have been put in another order since.
    const named = options.find(({ text }) => sameText(text) === sameText(row.answer));
    if (named !== undefined && named.letter !== row.answer_idx)
      throw new BadRecord(
        place,
        `answer_idx is ${row.answer_idx}, but answer ${JSON.stringify(row.answer)} is option ${named.letter}`,
      );
    const [, journal = 'unknown', article] = /\/journals\/([a-z]+)\/[a-z-]+\/(\d+)/.exec(row.link) ?? [];
    const topic = TOPICS[journal];
    return caseOf(
      {
        version: 1,
        id: `jama/${article === undefined ? String(place.index).padStart(5, '0') : `${journal}/${article}`}`,
        question: row.question,
        options,
        gold: row.answer_idx,
        images: row.images,
        source: 'JAMA Clinical Challenge',
        licence: "JAMA Network's terms; not to be passed on",
        split: 'train',
        topics: topic === undefined ? [] : [topic],
        groups: { journal, ...(row.field ? { field: row.field.trim() } : {}) },
      },
      place,
    );
  },
};
