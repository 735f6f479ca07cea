import type { Option } from '../../../schemas/case.ts';

/** What a response answers. `gold` is the right option's letter, or its text where a benchmark states it so. */
export interface Question {
  readonly options: readonly Option[];
  readonly gold: string;
}

/** What a scorer makes of one response. */
export interface Reading {
  /** The option that the response chooses; null where none can be read. */
  readonly letter: string | null;
  /** Name of the rule that found the letter, or that failed to. */
  readonly method: string;
  /** The part of the response that the letter was read from; null where there is none. */
  readonly span: string | null;
  readonly correct: boolean;
}

/** One way of reading letters out of responses and judging them. */
export interface Profile {
  readonly name: string;
  readonly about: string;
  /** Whether a response that was cut at its token limit is read like any other, or counts as unparsed. */
  readonly truncated: 'read' | 'unparsed';
  read(response: string, question: Question): Reading;
}

/** The reading of a response that no letter can be read from. */
export const unparsed = (method: string, span: string | null = null): Reading => ({
  letter: null,
  method,
  span,
  correct: false,
});

/** Trimmed, lower-case, single-spaced, without a final full stop: what counts as the same option text. */
export const plain = (text: string): string =>
  text
    .normalize('NFKC')
    .toLowerCase()
    .replaceAll(/\s+/g, ' ')
    .trim()
    .replace(/\s*\.+$/, '');

/** Letter of the right option, found by letter, else by its text; undefined where no option or more than one fits. */
export function goldLetter({ options, gold }: Question): string | undefined {
  if (options.some((option) => option.letter === gold)) return gold;
  const same = options.filter((option) => plain(option.text) === plain(gold));
  return same.length === 1 ? same[0]?.letter : undefined;
}

/** A reading that chose `letter`. */
export const chose = (letter: string, method: string, span: string, question: Question): Reading => ({
  letter,
  method,
  span,
  correct: letter === goldLetter(question),
});
