import { z } from 'zod';
import { Paradigm } from '../paradigm.ts';
import { count, PromptStyle } from './fields.ts';

/** A model that a run can make and evaluate. Only what the evaluated models need is computed. */
export const EvaluatedModel = z.enum([
  'base',
  'AM',
  'CAH',
  'BS',
  'CSI',
  'mixed',
  'mean',
  'start',
  'gba',
  'final',
  'unrounded',
]);
export type EvaluatedModel = z.infer<typeof EvaluatedModel>;

/** What is asked of the models, and how the answers are read. */
export const Evaluate = z.strictObject({
  models: z
    .array(EvaluatedModel)
    .min(1)
    .describe(
      'base; an expert; mixed: the union expert; mean: the equal-weight mean of the experts; start: merge.start; gba; final: merge.final; unrounded: the same in float32, before it is rounded to be stored',
    ),
  prompt: PromptStyle.describe(
    'plain: each case once, the question alone; guided: each case once under each of the paradigms',
  ),
  paradigms: z.array(Paradigm).min(1).describe('Paradigms of the guided prompt'),
  maxNewTokens: count.describe('Longest answer, in tokens; decoding is greedy'),
  batchSize: count.describe('Answers decoded at once'),
  scorer: z
    .enum(['robust', 'strict-tags', 'medevalkit', 'vlmevalkit', 'medxpertqa', 'medvlthinker'])
    .describe('How the letter is read from an answer'),
  benchmarks: z
    .array(z.string())
    .describe('Names in sources.benchmarks that are evaluated beside the held-out cases'),
});
