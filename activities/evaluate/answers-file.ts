import { z } from 'zod';

/** An answer of an unfinished evaluation, a row of its checkpoint. */
export const StoredAnswer = z.strictObject({
  question: z.string(),
  tokens: z.array(z.int().nonnegative()),
  finishReason: z.enum(['stop', 'length']),
});
export type StoredAnswer = z.infer<typeof StoredAnswer>;
