import { z } from 'zod';
import { Digest } from './digest.ts';
import { Reference } from './reference.ts';

/** A resumable state of an unfinished action, at the boundary of optimizer step `step`. */
export const CheckpointRecord = z.strictObject({
  version: z.literal(1),
  key: Digest,
  step: z.int().nonnegative(),
  state: Reference,
  savedAt: z.iso.datetime(),
});
export type CheckpointRecord = z.infer<typeof CheckpointRecord>;
