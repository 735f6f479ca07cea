import { describe, expect, it } from 'vitest';
import { corpusRow } from '../../../activities/clinic/corpus.ts';
import {
  buildTokenizer,
  rememberWords,
  renderClinicChat,
  VocabularyTooSmall,
} from '../../../activities/clinic/tokenizer.ts';
import { vocabularyOf } from '../../../activities/clinic/vocabulary.ts';
import { createChat } from '../../../activities/nn/chat.ts';
import { createTokenizer } from '../../../activities/nn/tokenizer.ts';
import { bank } from './_bank.ts';

const words = vocabularyOf(bank);
const files = buildTokenizer(words, 1024);
const tokenizer = createTokenizer(files.tokenizer, files.config, 'demo');
const render = createChat({ tokenizerConfig: files.config }, 'demo');
const rows = Array.from({ length: 150 }, (_, i) => corpusRow(bank, 3, i));

describe('the demo’s tokenizer', () => {
  it('has at most 1,024 tokens, and ids without gaps', () => {
    expect(files.size).toBeLessThanOrEqual(1024);
    expect(tokenizer.size).toBe(files.size);
  });

  it('makes one token of every word, with and without the space before it, and gives it back', () => {
    for (const word of words)
      for (const text of [word, ` ${word}`]) {
        const ids = tokenizer.encode(text);
        expect(ids, text).toHaveLength(1);
        expect(tokenizer.decode(ids)).toBe(text);
      }
  });

  it('encodes any other text and gives it back', () => {
    for (const text of ['Ménière’s disease, 37.5 °C — 日本', 'a\n\n b\t', 'hepatosplenomegaly'])
      expect(tokenizer.decode(tokenizer.encode(text))).toBe(text);
  });

  it('has Qwen2-VL’s special tokens, and tags of reasoning that are shown', () => {
    expect(tokenizer.special.has('<|image_pad|>')).toBe(true);
    expect(tokenizer.encode('<think></think><answer></answer>')).toHaveLength(4);
    expect(tokenizer.decode(tokenizer.encode('<think>so croup</think>'))).toBe('<think>so croup</think>');
  });

  it('names the number of tokens that a small vocabulary lacks', () => {
    expect(() => buildTokenizer(words, 400)).toThrow(VocabularyTooSmall);
    expect(() => buildTokenizer(words, 400)).toThrow(/vocabularySize is 400/);
  });
});

describe('the fast path of the corpus', () => {
  it('renders as the chat template does', () => {
    for (const { messages } of rows) {
      expect(renderClinicChat(messages, false)).toBe(render(messages, false));
      expect(renderClinicChat(messages, true)).toBe(render(messages, true));
    }
  });

  it('encodes as the tokenizer does, words of the clinic and others', () => {
    const fast = rememberWords(tokenizer);
    for (const { messages } of rows) {
      const text = render(messages, false);
      expect(fast.encode(text)).toEqual(tokenizer.encode(text));
    }
    expect(fast.encode('12  odd, text\n\n')).toEqual(tokenizer.encode('12  odd, text\n\n'));
  });
});
