import { z } from 'zod';
import { Option } from './case.ts';
import { Paradigm } from './paradigm.ts';

/** What one scorer profile makes of a response. */
export const AnswerReading = z.strictObject({
  /** The option chosen; null where none can be read. Upstream profiles write Z for a refusal. */
  letter: z
    .string()
    .regex(/^[A-Z]$/)
    .nullable(),
  /** Rule that found the letter, or that failed to. */
  method: z.string(),
  /** The part of the response that the letter was read from. */
  span: z.string().nullable(),
  correct: z.boolean(),
});
export type AnswerReading = z.infer<typeof AnswerReading>;

/** One answer of a model, a row of `predictions.jsonl`. With its options and gold it can be scored again by itself. */
export const Prediction = z.strictObject({
  version: z.literal(1),
  caseId: z.string(),
  /** Paradigm that the prompt named; null under the plain prompt. */
  paradigm: Paradigm.nullable(),
  /** Asked without the case's images. */
  blind: z.boolean(),
  response: z.string(),
  thinking: z.string().nullable(),
  finishReason: z.enum(['stop', 'length']),
  promptTokens: z.int().nonnegative(),
  completionTokens: z.int().nonnegative(),
  options: z.array(Option).min(2),
  gold: z.string(),
  /** By profile: `strict-tags`, `robust`, and the one that was asked for. */
  readings: z.record(z.string(), AnswerReading),
  /** The case's grouping fields, its specialty, and its modality (image or text, unless the benchmark says finer). */
  groups: z.record(z.string(), z.string()),
  synthetic: z.boolean(),
});
export type Prediction = z.infer<typeof Prediction>;
