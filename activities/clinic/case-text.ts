/**
 * The clinic's telegraphic English, written and read: `adult ward with fever no cough rash`. Every word is a word of
 * the bank or of this grammar, and each is one token of the demo's tokenizer.
 */
import type { Bank } from './bank.ts';
import type { Finding } from './posterior.ts';

/** A text is not a case of this bank's clinic. The message quotes the text and names the word. */
export class BadCaseText extends Error {
  override name = 'BadCaseText' as const;
}

/** Words of a case's question beside those of the bank. */
export const QUESTION_WORDS = ['with', 'no'] as const;

/** Letters of the options, in order. */
export const LETTERS = ['A', 'B', 'C', 'D'] as const;

export interface Question {
  readonly age: string;
  readonly setting: string;
  readonly findings: readonly Finding[];
}

export const writeQuestion = ({ age, setting, findings }: Question): string =>
  [age, setting, 'with', ...findings.map(({ name, present }) => (present ? name : `no ${name}`))].join(' ');

/** The question back from its text. Throws {@link BadCaseText}. */
export function parseQuestion(bank: Bank, text: string): Question {
  const fail = (why: string): never => {
    throw new BadCaseText(`"${text}" is no case of this clinic: ${why}`);
  };
  const known = new Set(Object.values(bank.findings).flat());
  const [age, setting, link, ...words] = text.trim().split(/\s+/);
  if (age === undefined || !(age in bank.ages)) return fail(`${age} is no age`);
  if (setting === undefined || !bank.settings.includes(setting)) return fail(`${setting} is no setting`);
  if (link !== 'with') return fail('the third word is not "with"');
  const findings: Finding[] = [];
  for (let i = 0; i < words.length; i++) {
    const present = words[i] !== 'no';
    const name = present ? words[i] : words[++i];
    if (name === undefined || !known.has(name)) return fail(`${name ?? 'what follows "no"'} is no finding`);
    findings.push({ name, present });
  }
  return { age, setting, findings };
}
