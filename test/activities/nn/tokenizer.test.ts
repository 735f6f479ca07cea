import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { createTokenizer } from '../../../activities/nn/tokenizer.ts';
import { hasShared, shared } from '../../_shared.ts';

const json = (path: string): unknown => JSON.parse(readFileSync(shared(path), 'utf8'));
const golden = () =>
  createTokenizer(
    json('golden/qwen2_vl/tokenizer.json'),
    json('golden/qwen2_vl/tokenizer_config.json'),
    'qwen2_vl',
  );

describe.skipIf(!hasShared)('the tokenizer of the golden model', () => {
  const cases = hasShared
    ? (json('golden/tokenizer-cases.json') as { text: string; ids: number[]; decoded: string }[])
    : [];

  it.each(cases)('encodes $text as the Rust tokenizer does', ({ text, ids }) => {
    expect(golden().encode(text)).toEqual(ids);
  });

  it.each(cases)('decodes $decoded as the Rust tokenizer does', ({ ids, decoded }) => {
    expect(golden().decode(ids)).toBe(decoded);
    expect(golden().decode(Int32Array.from(ids))).toBe(decoded);
  });

  it('knows its special tokens and how many ids have a token', () => {
    const tokenizer = golden();
    expect(tokenizer.size).toBe(614);
    expect(tokenizer.id('<|im_end|>')).toBe(602);
    expect(Object.fromEntries(tokenizer.special)).toMatchObject({
      '<|endoftext|>': 600,
      '<|video_pad|>': 613,
    });
  });

  it('decodes nothing, specials only and ids of padded rows to an empty text', () => {
    const tokenizer = golden();
    expect(tokenizer.decode([])).toBe('');
    expect(tokenizer.decode([600, 601])).toBe('');
    expect(tokenizer.decode([614, 9999])).toBe('');
  });

  it('names the file and the token when a token is missing', () => {
    expect(() => golden().id('<|audio|>')).toThrow('qwen2_vl/tokenizer.json has no token "<|audio|>"');
  });

  it('encodes piece by piece, cut at special tokens, as it encodes the whole', () => {
    const tokenizer = golden();
    const pieces = ['<|im_start|>user\n', 'Which?', '<|im_end|>\n', '<|im_start|>assistant\n'];
    expect(pieces.flatMap((piece) => tokenizer.encode(piece))).toEqual(tokenizer.encode(pieces.join('')));
  });
});

describe('a file that is no tokenizer', () => {
  it('is refused by name', () => {
    expect(() => createTokenizer({ added_tokens: [] }, {}, 'here')).toThrow('here/tokenizer.json');
    expect(() => createTokenizer(undefined, {}, 'here')).toThrow('here/tokenizer.json');
  });
});
