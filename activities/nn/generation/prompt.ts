import type { Message } from '../../../schemas/message.ts';
import { promptIds } from '../chat.ts';
import type { ChatModel } from '../chat.ts';
import type { ModelConfig } from '../models/config.ts';
import { positionIds } from '../models/position-ids.ts';
import type { Grid, Positions } from '../models/position-ids.ts';

/** A conversation that waits for the assistant's answer, as numbers. */
export interface Prompt {
  /** Expanded: one token for each image embedding. */
  readonly tokens: Int32Array;
  readonly positions: Positions;
}

/** Encodes a conversation up to the assistant's header; `grids` are those of its images in order. */
export function encodePrompt(
  chat: ChatModel,
  config: ModelConfig,
  messages: readonly Message[],
  grids: readonly Grid[],
): Prompt {
  const tokens = promptIds(chat, messages, grids);
  return { tokens, positions: positionIds(tokens, grids, config) };
}

/** Tokens that are never drawn: those that stand for images, and rows of the embedding table that have no token. */
export function suppressedTokens(config: ModelConfig, tokenizer: ChatModel['tokenizer']): number[] {
  const vision = [
    config.imageTokenId,
    config.videoTokenId,
    config.visionStartTokenId,
    config.visionEndTokenId,
  ];
  const padding = tokenizer.special.get('<|vision_pad|>');
  const unused = Array.from(
    { length: Math.max(0, config.text.vocabSize - tokenizer.size) },
    (_, i) => tokenizer.size + i,
  );
  return [...new Set([...vision, ...(padding === undefined ? [] : [padding]), ...unused])];
}
