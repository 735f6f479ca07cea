import { z } from 'zod';
import { Digest } from './digest.ts';

/** The action last looked up under a step's name, and the different one before it: what a miss is compared with. */
export const StepPointer = z.strictObject({
  version: z.literal(1),
  step: z.string(),
  key: Digest,
  previous: Digest.optional(),
});
export type StepPointer = z.infer<typeof StepPointer>;
