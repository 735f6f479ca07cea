/**
 * Reasoning worded under a paradigm, a line an option, then the conclusion:
 *
 *   differential   `A croup fits stridor barking score two`
 *   intuitive      `A croup stridor yes`
 *   analytical     `A croup from stridor barking not rash`
 *   bayesian       `A croup prior high see stridor barking posterior sure`
 *
 *   `so A croup</think><answer>A</answer>`
 *
 * The conclusion names the letter first: the model then decides between four letters by the lines before, and finds the
 * name by its letter; to find a name's letter it would have to match 72 names, which so small a model hardly learns.
 * A case with a drawing begins with the line `shows ring`.
 */
import type { Paradigm } from '../../schemas/paradigm.ts';
import { LETTERS } from './case-text.ts';
import { PROBABILITY_BANDS } from './posterior.ts';
import type { OptionReasoning, Reasoning } from './reasoning.ts';

/** Scores of a differential, in words: each is one token. */
export const SCORE_WORDS = ['zero', 'one', 'two', 'three', 'four', 'five', 'six', 'seven'] as const;

/** Words of traces beside those of the bank. */
export const TRACE_WORDS = [
  'shows',
  'fits',
  'score',
  'nothing',
  'yes',
  'no',
  'from',
  'not',
  'prior',
  'see',
  'posterior',
  'so',
  ...PROBABILITY_BANDS,
  ...SCORE_WORDS,
] as const;

type Words = readonly string[];

const lines: Record<Paradigm, (option: OptionReasoning, concluded: boolean) => Words> = {
  differential: ({ fits, sign, score }) => [
    'fits',
    ...fits,
    ...(sign === null ? [] : [sign]),
    'score',
    SCORE_WORDS[score] ?? String(score),
  ],
  intuitive: ({ strongest }, concluded) => [strongest ?? 'nothing', concluded ? 'yes' : 'no'],
  analytical: ({ fits, rest, sign }) => [
    'from',
    ...fits,
    ...(sign === null ? [] : [sign]),
    ...(rest.length === 0 ? [] : ['not', ...rest]),
  ],
  bayesian: ({ prior, fits, sign, posterior }) => [
    'prior',
    PROBABILITY_BANDS[prior] ?? '',
    'see',
    ...fits,
    ...(sign === null ? [] : [sign]),
    'posterior',
    PROBABILITY_BANDS[posterior] ?? '',
  ],
};

/** What stands between `<think>` and `</think>`. */
export function writeThought(paradigm: Paradigm, { shows, options, answer }: Reasoning): string {
  const word = lines[paradigm];
  return [
    ...(shows === null ? [] : [`shows ${shows}`]),
    ...options.map((option, i) => [LETTERS[i], option.name, ...word(option, i === answer)].join(' ')),
    `so ${LETTERS[answer]} ${options[answer]?.name}`,
  ].join('\n');
}

/** A whole response: the thought, then the letter. */
export const writeTrace = (paradigm: Paradigm, reasoning: Reasoning): string =>
  `<think>${writeThought(paradigm, reasoning)}</think><answer>${LETTERS[reasoning.answer]}</answer>`;
