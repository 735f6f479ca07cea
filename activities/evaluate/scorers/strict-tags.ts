/**
 * The form that training asks for, and nothing else: at most one `<think>` block, then one `<answer>` block that holds
 * one option's capital letter alone; white space around them is free. A response that says more, twice, or in another
 * order is unparsed, so that this profile measures form and accuracy together.
 */
import { chose, unparsed, type Profile } from './profile.ts';

const FORM = /^\s*(?:<think>([\s\S]*?)<\/think>\s*)?<answer>\s*([\s\S]*?)\s*<\/answer>\s*$/;
const TAGS = ['<think>', '</think>', '<answer>', '</answer>'] as const;

export const strictTags: Profile = {
  name: 'strict-tags',
  about: 'one <think> block at most, then <answer> with a single capital letter, nothing else',
  truncated: 'unparsed',
  read(response, question) {
    const body = FORM.exec(response)?.[2];
    if (body === undefined) return unparsed('no-tags');
    if (TAGS.some((tag) => response.split(tag).length > 2)) return unparsed('tags-repeated', body);
    if (!question.options.some((option) => option.letter === body)) return unparsed('not-a-letter', body);
    return chose(body, 'answer-tag', body, question);
  },
};
