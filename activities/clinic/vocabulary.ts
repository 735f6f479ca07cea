/** Every word that the clinic's texts use: those of the bank and those of its little grammars. */
import { Paradigm } from '../../schemas/paradigm.ts';
import { METHOD_WORD } from '../prompts/case-prompt.ts';
import type { BankFile } from './bank.ts';
import { QUESTION_WORDS } from './case-text.ts';
import { CORPUS_WORDS } from './corpus.ts';
import { TRACE_WORDS } from './traces.ts';

/** Roles of the chat template. */
const ROLES = ['system', 'user', 'assistant'];

export const vocabularyOf = (bank: BankFile): string[] => [
  ...new Set([
    ...ROLES,
    ...QUESTION_WORDS,
    ...TRACE_WORDS,
    ...CORPUS_WORDS,
    METHOD_WORD,
    ...Paradigm.options,
    ...Object.keys(bank.ages),
    ...bank.settings,
    ...bank.signs,
    ...Object.keys(bank.bands),
    ...Object.keys(bank.prevalence),
    ...Object.values(bank.findings).flat(),
    ...bank.conditions.map(({ name }) => name),
  ]),
];
