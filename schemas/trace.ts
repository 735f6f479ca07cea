import { z } from 'zod';
import { Digest } from './digest.ts';
import { Paradigm } from './paradigm.ts';
import { Specialty } from './specialty.ts';

/** One reasoning trace by the teacher, a row of `traces.jsonl`. */
export const Trace = z.strictObject({
  version: z.literal(1),
  /** sha256 of the canonical JSON of { caseId, paradigm, response }: review decisions are keyed by it. */
  digest: Digest,
  caseId: z.string(),
  paradigm: Paradigm,
  specialty: Specialty.optional(),
  /** The teacher's model name as it reported it. */
  model: z.string(),
  response: z.string(),
  finishReason: z.enum(['stop', 'length', 'refusal', 'error']),
  /** Letter read from `<answer>`, null where none can be read. */
  answer: z
    .string()
    .regex(/^[A-Z]$/)
    .nullable(),
  promptTokens: z.int().nonnegative(),
  completionTokens: z.int().nonnegative(),
  /** Why `filter` dropped it; absent on kept traces. */
  rejected: z.strictObject({ by: z.enum(['filter', 'review']), reason: z.string() }).optional(),
});
export type Trace = z.infer<typeof Trace>;
