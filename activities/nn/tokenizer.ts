/**
 * Text to token ids and back, from a model folder's `tokenizer.json` and `tokenizer_config.json`.
 *
 * The work is done by `@huggingface/tokenizers`, which agrees with the Rust tokenizer that models are trained with;
 * this adds the special tokens by name, the vocabulary's size, and a decode that takes any ids.
 */
import { Tokenizer as HuggingFaceTokenizer } from '@huggingface/tokenizers';
import { z } from 'zod';

export interface Tokenizer {
  /** One more than the largest id that has a token. Embedding tables may have more rows; those must not be sampled. */
  readonly size: number;
  /** Special tokens (`<|im_end|>`, …) and their ids. */
  readonly special: ReadonlyMap<string, number>;
  /** Ids of a text; special tokens written in it become their ids, none are added. */
  encode(text: string): number[];
  /** Text of ids, special tokens and ids without a token left out; bytes that are not UTF-8 become U+FFFD. */
  decode(ids: ArrayLike<number>): string;
  /** The id of a token that must be there; throws `UnknownToken`. */
  id(token: string): number;
}

/** The tokenizer lacks a token that the model needs. */
export class UnknownToken extends Error {
  override readonly name = 'UnknownToken';
}

/** tokenizer.json is not a tokenizer that can be used. */
export class TokenizerError extends Error {
  override readonly name = 'TokenizerError';
}

const TokenizerFile = z.looseObject({
  added_tokens: z.array(
    z.looseObject({ id: z.int().nonnegative(), content: z.string(), special: z.boolean() }),
  ),
  model: z.looseObject({ vocab: z.record(z.string(), z.int().nonnegative()) }),
});

const TokenizerConfig = z.looseObject({ clean_up_tokenization_spaces: z.boolean().nullish() });

/** Builds a tokenizer from the two parsed files; `path` names them in errors. */
export const createTokenizer = (tokenizerJson: unknown, configJson: unknown, path: string): Tokenizer => {
  const file = TokenizerFile.safeParse(tokenizerJson);
  if (!file.success) throw new TokenizerError(`${path}/tokenizer.json: ${z.prettifyError(file.error)}`);
  const config = TokenizerConfig.safeParse(configJson);
  if (!config.success)
    throw new TokenizerError(`${path}/tokenizer_config.json: ${z.prettifyError(config.error)}`);
  const tokenizer = new HuggingFaceTokenizer(file.data, config.data);

  const tokens = new Map<number, string>();
  for (const [token, id] of Object.entries(file.data.model.vocab)) tokens.set(id, token);
  for (const { content, id } of file.data.added_tokens) tokens.set(id, content);
  let last = -1;
  for (const id of tokens.keys()) last = Math.max(last, id);
  const special = new Map(
    file.data.added_tokens.filter((token) => token.special).map(({ content, id }) => [content, id]),
  );
  const skipped = new Set(special.values());
  const cleanUp = config.data.clean_up_tokenization_spaces ?? false;

  return {
    size: last + 1,
    special,
    encode: (text) => (text === '' ? [] : tokenizer.encode(text, { add_special_tokens: false }).ids),
    decode(ids) {
      const kept = Array.from(ids).filter((id) => tokens.has(id) && !skipped.has(id));
      // The library throws on no ids at all.
      return kept.length === 0 ? '' : tokenizer.decode(kept, { clean_up_tokenization_spaces: cleanUp });
    },
    id(token) {
      const id = tokenizer.token_to_id(token);
      if (id === undefined)
        throw new UnknownToken(`${path}/tokenizer.json has no token ${JSON.stringify(token)}`);
      return id;
    },
  };
};
