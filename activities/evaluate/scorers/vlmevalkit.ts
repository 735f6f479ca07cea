/**
 * VLMEvalKit's exact matching (`vlmeval/utils/matching_util.py`, `can_infer`, revision e8e78f0), without the judge model
 * that upstream asks next and without the random option it takes when the judge fails. Quirks kept: a lone letter must
 * be among the last four words, the pattern "answer is X" knows A to D only and takes the article in "answer is a …"
 * for A, option texts are looked for in responses of at most twice their total length. `Z` is upstream's "refused".
 */
import { chose, unparsed, type Profile, type Question } from './profile.ts';
import { PYTHON_SPACE, words } from './python-text.ts';

const REFUSALS = [
  "Sorry, I can't help with images of people yet.",
  "I can't process this file.",
  "I'm sorry, but without the image provided",
  'Cannot determine the answer',
] as const;

const VERBOSE = new RegExp(
  `(?:correct${PYTHON_SPACE}+)?answer${PYTHON_SPACE}+is${PYTHON_SPACE}+\\**([ABCD])\\**`,
  'iu',
);

function byOption(answer: string, { options }: Question): { letter: string; method: string } | undefined {
  if (answer.includes('Failed to obtain answer via API')) return undefined;
  if (REFUSALS.some((refusal) => answer.includes(refusal))) return { letter: 'Z', method: 'refusal' };
  const split = words(answer.replaceAll(/[.()[\],:;!*#{}]/g, ' '));
  const present = options.filter(({ letter }) => split.includes(letter));
  const only = present.length === 1 ? present[0]?.letter : undefined;
  if (only !== undefined && split.indexOf(only) > split.length - 5)
    return { letter: only, method: 'lone-letter' };
  if (present.length === 0 && split.includes('Z')) return { letter: 'Z', method: 'refusal' };
  const verbose = VERBOSE.exec(answer)?.[1]?.toUpperCase();
  return verbose !== undefined && options.some(({ letter }) => letter === verbose)
    ? { letter: verbose, method: 'answer-is' }
    : undefined;
}

function byText(answer: string, { options }: Question): { letter: string; method: string } | undefined {
  const total = options.reduce((sum, { text }) => sum + Array.from(text).length, 0);
  const lower = answer.toLowerCase();
  if (Array.from(lower).length > 2 * total) return undefined;
  const found = options.filter(({ text }) => lower.includes(text.toLowerCase()));
  return found.length === 1 ? { letter: found[0]!.letter, method: 'option-text' } : undefined;
}

export const vlmevalkit: Profile = {
  name: 'vlmevalkit',
  about: "VLMEvalKit's can_infer: exact matching, no judge model, no random choice",
  truncated: 'read',
  read(response, question) {
    const found = byOption(response, question) ?? byText(response, question);
    return found ? chose(found.letter, found.method, response, question) : unparsed('not-inferred');
  },
};
