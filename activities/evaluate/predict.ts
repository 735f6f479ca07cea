/** From a model's answer to a row of `predictions.jsonl`. */
import type { Prediction } from '../../schemas/prediction.ts';
import { groupsOf } from './baselines.ts';
import type { CaseQuestion } from './questions.ts';
import { profileNamed, readResponse } from './scorers/profiles.ts';
import { splitThinking } from './scorers/thinking.ts';

/** An answer as it was generated. */
export interface Answer {
  readonly text: string;
  readonly finishReason: 'stop' | 'length';
  readonly promptTokens: number;
  readonly completionTokens: number;
}

/** Profiles that every answer is read by: ours, and the one asked for. */
export const scorersFor = (scorer: string): string[] => [...new Set(['strict-tags', 'robust', scorer])];

/** The answer with what each of the scorers makes of it. */
export function predictionOf(question: CaseQuestion, answer: Answer, scorers: readonly string[]): Prediction {
  const { case: one, paradigm, blind } = question;
  const { text, ...rest } = answer;
  const truncated = answer.finishReason === 'length';
  return {
    version: 1,
    caseId: one.id,
    paradigm,
    blind,
    response: text,
    thinking: splitThinking(text).thinking,
    ...rest,
    options: one.options,
    gold: one.gold,
    readings: Object.fromEntries(
      scorers.map((scorer) => [scorer, readResponse(profileNamed(scorer), text, one, truncated)]),
    ),
    groups: groupsOf(one),
    synthetic: one.synthetic,
  };
}
