/**
 * MedVLThinker's judgement (`eval/run_offline_inference_v2.py`): the body of the first `<answer>`, the whole text where there
 * is none, is right if it equals the gold letter, its text, or `letter. text`, case aside.
 */
import type { Option } from '../../../schemas/case.ts';
import { goldLetter, unparsed, type Profile } from './profile.ts';
import { strip } from './python-text.ts';

const fits = ({ letter, text }: Option, span: string): boolean =>
  [letter, text, `${letter}. ${text}`].some((form) => strip(form).toLowerCase() === span);

export const medvlthinker: Profile = {
  name: 'medvlthinker',
  about: "MedVLThinker's reward: <answer> equals the letter, the text or 'letter. text'",
  truncated: 'read',
  read(response, question) {
    const body = /<answer>([\s\S]*?)<\/answer>/.exec(response)?.[1];
    const span = strip(body ?? response).toLowerCase();
    const gold = question.options.find(({ letter }) => letter === goldLetter(question));
    const correct = gold !== undefined && fits(gold, span);
    const chosen = correct ? gold : question.options.find((option) => fits(option, span));
    if (chosen === undefined) return unparsed('no-match', span);
    return { letter: chosen.letter, method: body === undefined ? 'whole-text' : 'answer-tag', span, correct };
  },
};
