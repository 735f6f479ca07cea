import { z } from 'zod';
import { Digest } from './digest.ts';

/** Who judged: a person, or a rule that stands in for one in the demo. */
export const Reviewer = z.strictObject({ kind: z.enum(['human', 'rule']), id: z.string().min(1) });
export type Reviewer = z.infer<typeof Reviewer>;

/** One verdict on one trace's adherence to its paradigm, a row of `decisions.jsonl`. */
export const Decision = z.strictObject({
  version: z.literal(1),
  trace: Digest,
  verdict: z.enum(['accept', 'reject']),
  reason: z.string(),
  reviewer: Reviewer,
});
export type Decision = z.infer<typeof Decision>;
