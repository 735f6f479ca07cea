import { z } from 'zod';
import { SlotName } from './action.ts';
import { Digest } from './digest.ts';
import { Reference } from './reference.ts';
import { StageName } from './stage-name.ts';

/** What came of an action, and everything about how that is kept out of artifacts: times, host, log, figures. */
export const ActionResult = z.strictObject({
  version: z.literal(1),
  key: Digest,
  stage: StageName,
  outputs: z.record(SlotName, Reference),
  summary: z.record(z.string(), z.union([z.number(), z.string(), z.boolean(), z.null()])),
  /** Blob with the step's log. */
  logDigest: Digest.optional(),
  startedAt: z.iso.datetime(),
  endedAt: z.iso.datetime(),
  attempt: z.int().positive(),
  host: z.string(),
  /** Optimizer step of the checkpoint the last attempt went on from. */
  resumedFrom: z.int().nonnegative().optional(),
  /** Facts of the machine that are recorded but do not enter the key. */
  recorded: z.record(z.string(), z.string()).default({}),
});
export type ActionResult = z.infer<typeof ActionResult>;
