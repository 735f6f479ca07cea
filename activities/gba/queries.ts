/** The queries that each optimizer step visits, and their prompts in the form that sampling and training take. */
import type { Case } from '../../schemas/case.ts';
import type { GbaParams } from '../../schemas/gba-params.ts';
import type { Message } from '../../schemas/message.ts';
import type { Paradigm } from '../../schemas/paradigm.ts';
import { promptIds } from '../nn/chat.ts';
import type { ChatModel } from '../nn/chat.ts';
import type { ModelConfig } from '../nn/models/config.ts';
import { positionIds } from '../nn/models/position-ids.ts';
import type { Grid, Positions } from '../nn/models/position-ids.ts';
import { permutation, randomKey } from '../nn/random.ts';
import type { GuidelineMode } from './guidelines.ts';
import { paradigmsOf, planGroups } from './guidelines.ts';
import type { GroupPlan } from './guidelines.ts';

/** Messages that ask a case's question, under a paradigm's guideline where one is given. */
export type PromptOf = (question: Case, paradigm: Paradigm | null) => readonly Message[];

export interface Prompt {
  readonly case: Case;
  readonly paradigm: Paradigm | null;
  /** As the model reads it, image tokens not expanded. */
  readonly text: string;
  readonly ids: Int32Array;
  readonly positions: Positions;
  readonly imageTokens: number;
}

/** Builds prompts once and keeps them. */
export const createPrompts = (
  chat: ChatModel,
  config: ModelConfig,
  promptOf: PromptOf,
  gridsOf: (question: Case) => readonly Grid[],
): ((question: Case, paradigm: Paradigm | null) => Prompt) => {
  const kept = new Map<string, Prompt>();
  return (question, paradigm) => {
    const key = `${paradigm ?? ''}/${question.id}`;
    const known = kept.get(key);
    if (known !== undefined) return known;
    const messages = promptOf(question, paradigm);
    const grids = gridsOf(question);
    const ids = promptIds(chat, messages, grids);
    const prompt: Prompt = {
      case: question,
      paradigm,
      text: chat.render(messages, true),
      ids,
      positions: positionIds(ids, grids, config),
      imageTokens: ids.filter((id) => id === config.imageTokenId).length,
    };
    kept.set(key, prompt);
    return prompt;
  };
};

/** A query cannot be trained on. The message names its case. */
export class QueryError extends Error {
  override readonly name = 'QueryError';
}

export interface KeptQueries {
  readonly queries: readonly Case[];
  /** Ids of cases that were dropped for their length. */
  readonly dropped: readonly string[];
}

/**
 * Queries whose prompts fit under whatever guideline they may carry; others are dropped or refused, never cut: a cut could
 * split an image or take the question.
 */
export const queriesWithin = (
  queries: readonly Case[],
  promptTokens: (question: Case, paradigm: Paradigm | null) => number,
  {
    maxPromptTokens,
    overlong,
    guidelineMode,
  }: Pick<GbaParams, 'maxPromptTokens' | 'overlong' | 'guidelineMode'>,
): KeptQueries => {
  const long = new Map<Case, number>();
  for (const question of queries) {
    const tokens = Math.max(
      ...paradigmsOf(guidelineMode).map((paradigm) => promptTokens(question, paradigm)),
    );
    if (tokens > maxPromptTokens) long.set(question, tokens);
  }
  const [first] = long;
  if (first !== undefined && overlong === 'refuse')
    throw new QueryError(
      `${long.size} of ${queries.length} queries have prompts longer than maxPromptTokens ${maxPromptTokens}, the first of them ${first[0].id} with ${first[1]} tokens: ` +
        'raise maxPromptTokens, lower the images’ maxPixels, or set overlong to drop',
    );
  return {
    queries: queries.filter((question) => !long.has(question)),
    dropped: [...long.keys()].map(({ id }) => id),
  };
};

/** What a step rolls out: groups of rollouts with one baseline each. */
export type StepPlan = (step: number) => readonly GroupPlan[];

/**
 * The queries in a new random order at each pass, `perStep` of them a step without a gap between passes, so that every
 * step has equally many.
 */
export const planSteps = (
  queries: number,
  settings: {
    readonly perStep: number;
    readonly group: number;
    readonly mode: GuidelineMode;
    readonly seed: number;
  },
): StepPlan => {
  const orders = new Map<number, Int32Array>();
  const orderOf = (pass: number): Int32Array => {
    const known = orders.get(pass) ?? permutation(randomKey(settings.seed, 'queries', pass), queries);
    orders.set(pass, known);
    return known;
  };
  return (step) => {
    const visits = Array.from({ length: settings.perStep }, (_, i) => {
      const n = step * settings.perStep + i;
      const visit = Math.floor(n / queries);
      return { query: orderOf(visit)[n % queries] ?? 0, visit };
    });
    return planGroups(visits, settings.group, settings.mode);
  };
};
