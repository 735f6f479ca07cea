import { z } from 'zod';
import { count, PromptStyle, seed } from './config/fields.ts';
import { Paradigm } from './paradigm.ts';

/** Parameters of `evaluate`. */
export const EvaluateParams = z.strictObject({
  prompt: PromptStyle.default('plain'),
  /** Each case is asked once under each of them by the guided prompt, once in all by the plain one. */
  paradigms: z.array(Paradigm).min(1).default(Paradigm.options),
  maxNewTokens: count.default(1024),
  /** 0 is greedy. */
  temperature: z.number().nonnegative().default(0),
  seed: seed.default(0),
  /** Answers decoded at once. It changes how sums are rounded, and with that now and then an answer. */
  batchSize: count.default(64),
  /** Profile of the report's groups; `strict-tags` and `robust` are read in any case. */
  scorer: z.string().default('robust'),
  /** Whether image cases are also, or all cases only, asked without their images. */
  blind: z.enum(['no', 'also', 'only']).default('also'),
});
export type EvaluateParams = z.infer<typeof EvaluateParams>;
