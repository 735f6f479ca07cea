import { describe, expect, it } from 'vitest';
import { corpusRow, MOST_IMAGES } from '../../../activities/clinic/corpus.ts';
import { buildTokenizer, rememberWords, renderClinicChat } from '../../../activities/clinic/tokenizer.ts';
import { vocabularyOf } from '../../../activities/clinic/vocabulary.ts';
import { createTokenizer } from '../../../activities/nn/tokenizer.ts';
import { LONGEST_ROW } from '../../../activities/pretrain/rows.ts';
import { bank } from './_bank.ts';

const COUNT = 600;
/** Rows of the first steps are mostly recitals; these are later ones. */
const FIRST = 5000;
const rows = Array.from({ length: COUNT }, (_, i) => corpusRow(bank, 11, FIRST + i));
const share = (kind: string) => rows.filter((row) => row.kind === kind).length / COUNT;

describe('the pre-training corpus', () => {
  it('gives the same row for a seed and number, whatever was asked before', () => {
    expect(corpusRow(bank, 11, FIRST + 17)).toEqual(rows[17]);
    expect(corpusRow(bank, 12, FIRST + 17)).not.toEqual(rows[17]);
  });

  it('is mostly cases, half of them anchored, and some cards and drawings', () => {
    expect(share('anchored')).toBeGreaterThan(0.35);
    expect(share('general')).toBeGreaterThan(0.3);
    expect(share('card')).toBeGreaterThan(0.02);
    expect(share('drawings')).toBeGreaterThan(0.02);
  });

  it('begins with recitals, in which every word to say stands in the prompt', () => {
    const first = Array.from({ length: 200 }, (_, i) => corpusRow(bank, 11, i));
    const recitals = first.filter(({ kind }) => kind === 'recital');
    expect(recitals.length).toBeGreaterThan(130);
    for (const { messages } of recitals) {
      const [asked, told] = messages.map(({ content }) => (typeof content === 'string' ? content : ''));
      const words = told!
        .replaceAll(/<\/?\w+>/g, ' ')
        .split(/\s+/)
        .filter(Boolean);
      for (const word of words) expect(asked!.split(/\s+/)).toContain(word);
    }
  });

  it('has an image for each image part, three at most', () => {
    for (const { messages, images } of rows) {
      const parts = messages.flatMap(({ content }) =>
        typeof content === 'string' ? [] : content.filter(({ type }) => type === 'image'),
      );
      expect(parts).toHaveLength(images.length);
      expect(images.length).toBeLessThanOrEqual(MOST_IMAGES);
    }
  });

  it('has rows of words that are single tokens, short enough for the demo', () => {
    const files = buildTokenizer(vocabularyOf(bank), 1024);
    const tokenizer = rememberWords(createTokenizer(files.tokenizer, files.config, 'demo'));
    for (const { messages, images } of rows) {
      const length = tokenizer.encode(renderClinicChat(messages, false)).length + 3 * images.length;
      expect(length).toBeLessThanOrEqual(LONGEST_ROW);
    }
  });
});
