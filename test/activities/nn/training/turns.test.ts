import { describe, expect, it } from 'vitest';
import { splitTurns, TurnError } from '../../../../activities/nn/training/turns.ts';
import type { RenderChat } from '../../../../activities/nn/chat.ts';

const render: RenderChat = (messages, generationPrompt) =>
  messages.map((m) => `<s>${m.role}\n${typeof m.content === 'string' ? m.content : ''}<e>\n`).join('') +
  (generationPrompt ? '<s>assistant\n' : '');

/** A template whose start depends on how much follows. */
const fickle: RenderChat = (m, g) => `${m.length}${render(m, g)}`;

const user = { role: 'user', content: 'q' } as const;
const assistant = { role: 'assistant', content: 'a' } as const;

describe('splitTurns', () => {
  it('trains on every answer and what ends it, and on nothing else', () => {
    expect(splitTurns([user, assistant, user, assistant], render)).toEqual([
      { text: '<s>user\nq<e>\n<s>assistant\n', trained: false },
      { text: 'a<e>\n', trained: true },
      { text: '<s>user\nq<e>\n<s>assistant\n', trained: false },
      { text: 'a<e>\n', trained: true },
    ]);
  });
  it('refuses a conversation that does not end with an answer', () => {
    expect(() => splitTurns([user], render)).toThrow(TurnError);
    expect(() => splitTurns([user, assistant, user], render)).toThrow('not the assistant’s');
  });
  it('refuses a template that rewrites what came before', () => {
    expect(() => splitTurns([user, assistant], fickle)).toThrow('continuation');
  });
});
