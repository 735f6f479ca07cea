/**
 * A conversation as pieces of text, those that are trained on marked: the assistant's words with what ends its turn
 * (`<|im_end|>` and the line break, as LLaMA-Factory, ms-swift and TRL's training template have it).
 *
 * Pieces are cut where special tokens stand, so that encoding them one by one equals encoding the whole, and equals
 * what generation sees: the prompt encoded up to the assistant's header, then the answer.
 */
import type { Message } from '../../../schemas/message.ts';
import type { RenderChat } from '../chat.ts';

export interface Turn {
  readonly text: string;
  readonly trained: boolean;
}

/** The conversation cannot be cut into turns. */
export class TurnError extends Error {
  override readonly name = 'TurnError';
}

export const splitTurns = (messages: readonly Message[], render: RenderChat): Turn[] => {
  const turns: Turn[] = [];
  let done = '';
  const advance = (text: string, trained: boolean, what: string): void => {
    if (!text.startsWith(done))
      throw new TurnError(
        `the chat template does not render ${what} as a continuation of what stands before it`,
      );
    if (text.length > done.length) turns.push({ text: text.slice(done.length), trained });
    done = text;
  };
  for (const [i, message] of messages.entries()) {
    if (message.role !== 'assistant') continue;
    advance(render(messages.slice(0, i), true), false, `the header of message ${i}`);
    advance(render(messages.slice(0, i + 1), false), true, `message ${i}`);
  }
  if (turns.length === 0 || messages.at(-1)?.role !== 'assistant')
    throw new TurnError('the last message is not the assistant’s: there is nothing to train on');
  return turns;
};
