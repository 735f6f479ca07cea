/**
 * A byte-level BPE tokenizer in Qwen2's form for the demo's base, in which each word of the clinic is one token, with
 * and without the space before it.
 *
 * A word that is in the vocabulary is taken whole (`ignore_merges`, as Llama 3 has it), so that no token is spent on the
 * pieces of words. Any other text is encoded by merges trained on the list of words, each counted once, the most
 * frequent pair first (Sennrich et al. 2016, https://aclanthology.org/P16-1162), as many as the vocabulary has room for.
 * Deviations from Qwen2-VL: `ignore_merges`; `<think>`, `</think>`, `<answer>` and `</answer>` are tokens (not special
 * ones), as Qwen3 has its thinking tags; the chat template adds no system message of its own.
 */
import type { RenderChat } from '../nn/chat.ts';
import type { Tokenizer } from '../nn/tokenizer.ts';

/** Special tokens of Qwen2-VL, in its order. */
const SPECIAL = [
  '<|endoftext|>',
  '<|im_start|>',
  '<|im_end|>',
  '<|object_ref_start|>',
  '<|object_ref_end|>',
  '<|box_start|>',
  '<|box_end|>',
  '<|quad_start|>',
  '<|quad_end|>',
  '<|vision_start|>',
  '<|vision_end|>',
  '<|vision_pad|>',
  '<|image_pad|>',
  '<|video_pad|>',
] as const;
const TAGS = ['<think>', '</think>', '<answer>', '</answer>'] as const;

/** Qwen2's pre-tokenizer. */
const SPLIT =
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

/** As Qwen2-VL's template, without its default system message. */
const CHAT_TEMPLATE =
  "{%- for message in messages -%}<|im_start|>{{ message.role }}{{ '\\n' }}{%- if message.content is string -%}{{ message.content }}{%- else -%}{%- for part in message.content -%}{%- if part.type == 'image' -%}<|vision_start|><|image_pad|><|vision_end|>{%- elif part.type == 'text' -%}{{ part.text }}{%- endif -%}{%- endfor -%}{%- endif -%}<|im_end|>{{ '\\n' }}{%- endfor -%}{%- if add_generation_prompt -%}<|im_start|>assistant{{ '\\n' }}{%- endif -%}";

/** What the template renders, without the cost of running it: for a corpus of thousands of rows. */
export const renderClinicChat: RenderChat = (messages, generationPrompt) => {
  const turns = messages.map(({ role, content }) => {
    const parts = typeof content === 'string' ? [{ type: 'text' as const, text: content }] : content;
    const text = parts.map((part) =>
      part.type === 'image' ? '<|vision_start|><|image_pad|><|vision_end|>' : part.text,
    );
    return `<|im_start|>${role}\n${text.join('')}<|im_end|>\n`;
  });
  return turns.join('') + (generationPrompt ? '<|im_start|>assistant\n' : '');
};

/** Pieces of the clinic's texts that a tokenizer encodes on their own. */
const PIECE = /<\|[a-z_]+\|>|<\/?(?:think|answer)>|\n+| ?[A-Za-z]+/g;

/** The same tokenizer, remembering the ids of words, for texts that are made of the clinic's words over and over. */
export function rememberWords(tokenizer: Tokenizer): Tokenizer {
  const known = new Map<string, readonly number[]>();
  const encodePiece = (piece: string): readonly number[] => {
    const ids = known.get(piece) ?? tokenizer.encode(piece);
    known.set(piece, ids);
    return ids;
  };
  return {
    ...tokenizer,
    encode(text) {
      const pieces = text.match(PIECE) ?? [];
      const covered = pieces.reduce((sum, piece) => sum + piece.length, 0) === text.length;
      return covered ? pieces.flatMap(encodePiece) : tokenizer.encode(text);
    },
  };
}

/** The words need more tokens than the vocabulary may have. */
export class VocabularyTooSmall extends Error {
  override name = 'VocabularyTooSmall' as const;
}

/** Whether a byte stands for itself. */
const prints = (byte: number): boolean =>
  (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;

/** A character for each byte: itself where it prints, else one from 256 on, as GPT-2's byte-level alphabet has it. */
function byteAlphabet(): string[] {
  let next = 256;
  const all = Array.from({ length: 256 }, (_, byte) => String.fromCodePoint(prints(byte) ? byte : next++));
  return [...all.filter((_, byte) => prints(byte)), ...all.filter((_, byte) => !prints(byte))];
}

const SPACE = 'Ġ';
const LETTERS = ['A', 'B', 'C', 'D'];

/** The first `most` merges, fewer where every word is whole before; ties go to the pair that sorts first. */
function trainMerges(words: readonly string[], most: number): [string, string][] {
  const pieces = words.map((word) => word.split(''));
  const merges: [string, string][] = [];
  while (merges.length < most) {
    const counts = new Map<string, number>();
    for (const word of pieces)
      for (let i = 0; i + 1 < word.length; i++) {
        const pair = `${word[i]} ${word[i + 1]}`;
        counts.set(pair, (counts.get(pair) ?? 0) + 1);
      }
    if (counts.size === 0) break;
    const [best] = [...counts].reduce((a, b) => (b[1] > a[1] || (b[1] === a[1] && b[0] < a[0]) ? b : a));
    const [left = '', right = ''] = best.split(' ');
    merges.push([left, right]);
    for (const word of pieces)
      for (let i = 0; i + 1 < word.length; i++)
        if (word[i] === left && word[i + 1] === right) word.splice(i, 2, left + right);
  }
  return merges;
}

export interface TokenizerFiles {
  /** tokenizer.json */
  readonly tokenizer: object;
  /** tokenizer_config.json */
  readonly config: object;
  /** Tokens, special ones included: rows of the embedding. */
  readonly size: number;
  /** Ids of tokens that a model's config names. */
  readonly ids: Readonly<Record<(typeof SPECIAL)[number], number>>;
}

/** Builds the tokenizer of a list of words. Throws {@link VocabularyTooSmall} where it exceeds `limit` tokens. */
export function buildTokenizer(words: readonly string[], limit: number): TokenizerFiles {
  const added = [...SPECIAL, ...TAGS];
  const whole = new Set([...byteAlphabet(), ...words, ...[...words, ...LETTERS].map((word) => SPACE + word)]);
  const room = limit - whole.size - added.length;
  if (room < 0)
    throw new VocabularyTooSmall(
      `${words.length} words need ${limit - room} tokens, vocabularySize is ${limit}: raise it or shorten the bank`,
    );
  const merges = trainMerges(words, room);
  const tokens = [...new Set([...whole, ...merges.map(([left, right]) => left + right)])];
  const size = tokens.length + added.length;
  const addedTokens = added.map((content, i) => ({
    id: tokens.length + i,
    content,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
    special: i < SPECIAL.length,
  }));
  return {
    tokenizer: {
      version: '1.0',
      truncation: null,
      padding: null,
      added_tokens: addedTokens,
      normalizer: { type: 'NFC' },
      pre_tokenizer: {
        type: 'Sequence',
        pretokenizers: [
          { type: 'Split', pattern: { Regex: SPLIT }, behavior: 'Isolated', invert: false },
          { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: false },
        ],
      },
      post_processor: null,
      decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
      model: {
        type: 'BPE',
        dropout: null,
        unk_token: null,
        continuing_subword_prefix: null,
        end_of_word_suffix: null,
        fuse_unk: false,
        byte_fallback: false,
        ignore_merges: true,
        vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
        merges,
      },
    },
    config: {
      tokenizer_class: 'PreTrainedTokenizerFast',
      bos_token: null,
      eos_token: '<|im_end|>',
      pad_token: '<|endoftext|>',
      unk_token: null,
      model_max_length: 32768,
      clean_up_tokenization_spaces: false,
      additional_special_tokens: SPECIAL.slice(1),
      chat_template: CHAT_TEMPLATE,
    },
    size,
    ids: Object.fromEntries(SPECIAL.map((token, i) => [token, tokens.length + i])) as TokenizerFiles['ids'],
  };
}
