/** Accuracy on held-out queries, each answered once: greedily, and under the guideline of its turn where there are any. */
import type { Case } from '../../schemas/case.ts';
import { planBatches } from '../nn/generation/batches.ts';
import type { BatchSizes } from '../nn/generation/entries.ts';
import { planGroups } from './guidelines.ts';
import type { GuidelineMode } from './guidelines.ts';
import type { Prompt, createPrompts } from './queries.ts';
import { accuracyReward } from './rewards.ts';
import type { Sampler } from './sampler.ts';

/** One prompt a query. Whatever the mode of training, a query is asked once, so that validations cost alike. */
export const validationPrompts = (
  queries: readonly Case[],
  mode: GuidelineMode,
  prompts: ReturnType<typeof createPrompts>,
): Prompt[] => {
  const visits = queries.map((_, query) => ({ query, visit: 0 }));
  return planGroups(visits, 1, mode === 'none' ? 'none' : 'rotate').map(({ query, paradigms }) =>
    prompts(queries[query] as Case, paradigms[0] ?? null),
  );
};

/** Shapes for at most `rows` answers at once. */
export const validationShapes = (prompts: readonly Prompt[], rows: number): BatchSizes[] =>
  planBatches(
    prompts.map(({ ids, imageTokens }) => ({ tokens: ids.length, imageEmbeddings: imageTokens })),
    { rows, group: 1, lengths: 2 },
  );

/** Share of the prompts that the model as it stands answers with the gold letter. */
export const validationAccuracy = async (
  prompts: readonly Prompt[],
  sampler: Sampler,
  decode: (tokens: readonly number[]) => string,
  signal: AbortSignal,
): Promise<number> => {
  const answers = await sampler.answer(prompts, signal);
  const right = prompts.map(({ case: { gold }, paradigm }, i) =>
    accuracyReward(decode(answers[i]?.tokens ?? []), { gold, paradigm, checklist: [] }),
  );
  return right.reduce((sum, one) => sum + one, 0) / prompts.length;
};
