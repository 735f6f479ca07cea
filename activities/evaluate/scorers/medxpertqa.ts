/**
 * MedXpertQA's own extraction (`eval/utils.py`, `answer_cleansing` in its zero-shot mode, revision f21247d): what follows
 * the trigger sentence or " answer is ", without "A through E" and the like, then the first option letter that stands as
 * a word of its own. Upstream asks for the letter in a second turn; on a one-turn response with reasoning the first
 * capital letter wins, so "<think>Consider A.</think><answer>C</answer>" is read as A.
 */
import { chose, unparsed, type Profile } from './profile.ts';
import { strip } from './python-text.ts';

const UNWANTED = ['I understand', 'A through J', 'A through E', 'A through D'] as const;
const EDGE = '[\\p{L}\\p{N}_]'; // what Python's \b holds for a word character

export const medxpertqa: Profile = {
  name: 'medxpertqa',
  about: "MedXpertQA's answer_cleansing, zero-shot: the first letter after the trigger sentence",
  truncated: 'read',
  read(response, question) {
    const letters = question.options.map(({ letter }) => letter);
    if (letters.length === 0) return unparsed('no-options');
    const trigger = `Therefore, among A through ${letters.at(-1)}, the answer is`;
    const parts = response.split(trigger);
    let text = parts.length > 1 ? parts[1]! : response.split(' answer is ')[1];
    text = text === undefined ? response : strip(text);
    for (const phrase of UNWANTED) text = text.replaceAll(phrase, '');
    const letter = new RegExp(`(?<!${EDGE})(${letters.join('|')})(?!${EDGE})`, 'u').exec(text)?.[1];
    return letter === undefined ? unparsed('no-letter', text) : chose(letter, 'first-letter', text, question);
  },
};
