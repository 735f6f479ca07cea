/**
 * How a case is put to a model, plain or guided by a paradigm: the one wording of SFT rows, GBA queries and evaluation.
 *
 * The clinic's cases are asked in its own telegraphic English, `method bayesian` for a guideline, so that a small model
 * with a small vocabulary spends its tokens on the case.
 */
import type { Case, Option } from '../../schemas/case.ts';
import type { Message } from '../../schemas/message.ts';
import type { Paradigm } from '../../schemas/paradigm.ts';
import { CLINIC_SOURCE } from '../clinic/case-row.ts';
import { GUIDELINES, type Guidelines } from './guidelines.ts';

type Asked = Pick<Case, 'question' | 'options' | 'images' | 'source'>;

const FORMAT =
  'Write your reasoning inside <think></think>. Then give only the letter of the one best option inside <answer></answer>.';

/** Word before the paradigm's name in a guided prompt of the clinic. */
export const METHOD_WORD = 'method';

/** A clinic case and, where one guides, its paradigm, in the clinic's words or those of other guidelines. */
export const clinicPrompt = (
  question: string,
  options: readonly Option[],
  paradigm: Paradigm | null,
  guidelines?: Guidelines,
): string =>
  [
    question,
    ...options.map(({ letter, text }) => `${letter} ${text}`),
    ...(paradigm === null ? [] : [guidelines?.[paradigm] ?? `${METHOD_WORD} ${paradigm}`]),
  ].join('\n');

const generalPrompt = (
  { question, options }: Asked,
  paradigm: Paradigm | null,
  guidelines: Guidelines = GUIDELINES,
): string =>
  [
    question,
    '',
    ...options.map(({ letter, text }) => `${letter}. ${text}`),
    '',
    ...(paradigm === null ? [] : [guidelines[paradigm]]),
    FORMAT,
  ].join('\n');

/** The user's message: the case's images, in order, then its text. `guidelines` stand in for the project's own. */
export function casePrompt(asked: Asked, paradigm: Paradigm | null, guidelines?: Guidelines): Message {
  const text =
    asked.source === CLINIC_SOURCE
      ? clinicPrompt(asked.question, asked.options, paradigm, guidelines)
      : generalPrompt(asked, paradigm, guidelines);
  if (asked.images.length === 0) return { role: 'user', content: text };
  return {
    role: 'user',
    content: [...asked.images.map(() => ({ type: 'image' as const })), { type: 'text', text }],
  };
}

/** A training row's messages: the case, and the response to learn. */
export const answeredCase = (asked: Asked, paradigm: Paradigm | null, response: string): Message[] => [
  casePrompt(asked, paradigm),
  { role: 'assistant', content: response },
];
