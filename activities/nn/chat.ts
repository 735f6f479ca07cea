/**
 * Conversations as a model sees them: rendered by its own chat template, with one image token for each embedding of
 * each image.
 */
import { Template } from '@huggingface/jinja';
import { z } from 'zod';
import type { Message } from '../../schemas/message.ts';
import { embeddingsOf, type Grid } from './models/position-ids.ts';
import type { Tokenizer } from './tokenizer.ts';

/** Stands once for each image in a rendered conversation. */
const IMAGE_TOKEN = '<|image_pad|>';

/** Tokens that mean image or video embeddings; in a text they would break the count of embeddings. */
const VISION_TOKENS = [IMAGE_TOKEN, '<|video_pad|>', '<|vision_pad|>', '<|vision_start|>', '<|vision_end|>'];

/** A conversation, or a model's template, that cannot be rendered. */
export class ChatError extends Error {
  override readonly name = 'ChatError';
}

/** Renders a conversation; with a generation prompt the assistant's header follows. Image tokens are not expanded. */
export type RenderChat = (messages: readonly Message[], generationPrompt: boolean) => string;

/** Where a model folder may keep its template, by precedence. All are parsed files except the first. */
export interface ChatTemplateFiles {
  /** Text of `chat_template.jinja`. */
  readonly jinja?: string | undefined;
  /** `chat_template.json`, as older processors write it. */
  readonly json?: unknown;
  readonly tokenizerConfig: unknown;
}

const Named = z.array(z.looseObject({ name: z.string(), template: z.string() }));
const Holder = z.looseObject({ chat_template: z.union([z.string(), Named]).nullish() });
const SpecialToken = z.union([z.string(), z.looseObject({ content: z.string() })]).nullish();
const Specials = z.looseObject({ bos_token: SpecialToken, eos_token: SpecialToken, pad_token: SpecialToken });

const templateIn = (json: unknown): string | undefined => {
  const found = Holder.safeParse(json).data?.chat_template ?? undefined;
  if (found === undefined || typeof found === 'string') return found;
  return found.find(({ name }) => name === 'default')?.template;
};

const contentOf = (token: z.infer<typeof SpecialToken>): string | null =>
  typeof token === 'string' ? token : (token?.content ?? null);

const refuseVisionTokens = (text: string, where: string): void => {
  const found = VISION_TOKENS.find((token) => text.includes(token));
  if (found !== undefined)
    throw new ChatError(`${where}: the text holds ${found}; images are given as parts { "type": "image" }`);
};

/** Compiles a model's chat template; `path` names the model folder in errors. */
export const createChat = (files: ChatTemplateFiles, path: string): RenderChat => {
  const source = files.jinja ?? templateIn(files.json) ?? templateIn(files.tokenizerConfig);
  if (source === undefined)
    throw new ChatError(
      `${path}: no chat template in chat_template.jinja, chat_template.json or tokenizer_config.json`,
    );
  const template = new Template(source);
  const specials = Specials.parse(files.tokenizerConfig);
  const variables = {
    bos_token: contentOf(specials.bos_token),
    eos_token: contentOf(specials.eos_token),
    pad_token: contentOf(specials.pad_token),
  };
  return (messages, generationPrompt) => {
    let images = 0;
    for (const [i, { content }] of messages.entries()) {
      if (typeof content === 'string') refuseVisionTokens(content, `message ${i}`);
      else
        for (const part of content) {
          if (part.type === 'image') images++;
          else refuseVisionTokens(part.text, `message ${i}`);
        }
    }
    const text = template.render({ ...variables, messages, add_generation_prompt: generationPrompt });
    const rendered = text.split(IMAGE_TOKEN).length - 1;
    if (rendered !== images)
      throw new ChatError(`${path}: the chat template renders ${rendered} image tokens for ${images} images`);
    return text;
  };
};

/**
 * Puts as many image tokens where one stood as its image has embeddings: grids in the order of the images.
 *
 * Done on ids, which equals doing it on the text, since special tokens are cut out of a text before anything else.
 */
export const expandImageTokens = (
  ids: readonly number[],
  grids: readonly Grid[],
  imageTokenId: number,
  mergeSize: number,
): Int32Array => {
  const wanted = ids.filter((id) => id === imageTokenId).length;
  if (wanted !== grids.length)
    throw new ChatError(`the conversation refers to ${wanted} images, ${grids.length} are given`);
  let image = 0;
  return Int32Array.from(
    ids.flatMap((id) => {
      const grid = id === imageTokenId ? grids[image++] : undefined;
      return grid === undefined ? [id] : Array.from({ length: embeddingsOf(grid, mergeSize) }, () => id);
    }),
  );
};

/** What the conversion of a conversation needs of its model. */
export interface ChatModel {
  readonly render: RenderChat;
  readonly tokenizer: Tokenizer;
  /** Patches along each side that become one embedding. */
  readonly mergeSize: number;
}

/** Token ids [T] of a prompt that ends with the assistant's header, image tokens expanded. */
export const promptIds = (
  model: ChatModel,
  messages: readonly Message[],
  grids: readonly Grid[],
): Int32Array =>
  expandImageTokens(
    model.tokenizer.encode(model.render(messages, true)),
    grids,
    model.tokenizer.id(IMAGE_TOKEN),
    model.mergeSize,
  );
