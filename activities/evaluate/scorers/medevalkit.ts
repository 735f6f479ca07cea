/**
 * MedEvalKit's extraction and judgement of multiple choice in one (`utils/utils.py`, `judge_multi_choice` and
 * `parse_response`, revision 9b12e3b), quirks included: brackets around a letter make it wrong, an empty response is
 * taken for the first option, and where nothing matches the option most similar to the whole response is chosen, which
 * can be right by luck. The letter reported is the option it compared with the gold one; upstream stores none.
 *
 * Two data-set conventions: options are prefixed `A. ` and `<answer>` bodies are joined first (OmniMedVQA, MedXpertQA,
 * MedQA); PMC-VQA takes options as they stand and joins nothing. Options that all start with their own letter and `.`,
 * `:` or `)` are taken as they stand in both.
 */
import { lastBoxed } from './boxed.ts';
import { similarity } from './difflib.ts';
import { unparsed, type Profile, type Question, type Reading } from './profile.ts';
import { afterLast, before, strip } from './python-text.ts';

const ANSWER_MARKS = [
  '**answer**:',
  '**answer**',
  '*answer*:',
  '**answer:**',
  'answer is',
  'answer:',
  '答案:',
  'final answer',
  'final answer is',
] as const;

/** All `<answer>` bodies joined by a space; the whole text where there is none. */
function joinAnswers(text: string): string {
  const bodies = [...text.matchAll(/<answer>([\s\S]*?)<\/answer>/g)].map((match) => match[1] ?? '');
  return strip(bodies.map((body) => `${body} `).join('')) || text;
}

function parseResponse(text: string): string {
  let response = text;
  if (response.includes('boxed'))
    response = strip(lastBoxed(response) ?? 'None'); // mathruler's word for none
  else if (response.includes('<answer>')) response = joinAnswers(response);
  for (const mark of ANSWER_MARKS) response = afterLast(response, mark);
  return response;
}

/** Options as MedEvalKit writes them into the prompt and compares them. */
function choicesOf({ options }: Question, asTheyStand: boolean): string[] {
  const lettered = options.every(({ letter, text }) => /^\s*([A-Z])\s*[.:)]/.exec(text)?.[1] === letter);
  return options.map(({ letter, text }) => (asTheyStand || lettered ? text : `${letter}. ${text}`));
}

function judge(text: string, choices: readonly string[], gold: string): Reading {
  const alphas = choices.map((_, i) => String.fromCodePoint(97 + i));
  let response = text.toLowerCase();
  const first = before(response, '\n\n');
  const last = before(afterLast(response, '\n\n'), '.');
  if (alphas.includes(first)) response = first;
  else if (alphas.includes(last)) response = last;
  response = strip(parseResponse(response)).toLowerCase().replaceAll('\n', '');
  const span = afterLast(before(response, '.'), ':');
  const lower = choices.map((choice) => choice.toLowerCase());
  const answer = strip(gold).toLowerCase();
  const reading = (index: number, method: string, correct: boolean): Reading => ({
    letter: alphas[index]?.toUpperCase() ?? null,
    method,
    span,
    correct,
  });
  const asLetter = alphas.indexOf(span);
  const asChoice = lower.indexOf(span);
  if (span === answer) return reading(Math.max(asLetter, asChoice), 'equal', true);
  if (asLetter >= 0) return reading(asLetter, 'letter', lower[asLetter] === answer);
  if (asChoice >= 0) return reading(asChoice, 'option-text', span === lower[alphas.indexOf(answer)]);
  let [best, highest] = [0, 0];
  lower.forEach((choice, i) => {
    const ratio = similarity(choice, response);
    if (ratio > highest) [best, highest] = [i, ratio];
  });
  return reading(best, 'most-similar', alphas[best] === answer || lower[best] === answer);
}

export const medevalkit: Profile = {
  name: 'medevalkit',
  about: "MedEvalKit's judge_multi_choice as OmniMedVQA, MedXpertQA and MedQA call it",
  truncated: 'read',
  read: (response, question) =>
    question.options.length === 0
      ? unparsed('no-options')
      : judge(joinAnswers(response), choicesOf(question, false), question.gold),
};

export const medevalkitPmc: Profile = {
  name: 'medevalkit-pmc',
  about:
    "MedEvalKit's judge_multi_choice as PMC-VQA calls it: options as they stand, no <answer> extraction first",
  truncated: 'read',
  read: (response, question) =>
    question.options.length === 0
      ? unparsed('no-options')
      : judge(response, choicesOf(question, true), question.gold),
};
