import { z } from 'zod';
import { SlotName } from './action.ts';
import { Digest } from './digest.ts';
import { Reference } from './reference.ts';
import { StageName } from './stage-name.ts';

/** Written when an artifact is published, so that artifacts can be listed by kind. */
export const ArtifactEntry = z.strictObject({
  version: z.literal(1),
  artifact: Reference,
  files: z.int().nonnegative(),
  synthetic: z.literal(true).optional(),
});
export type ArtifactEntry = z.infer<typeof ArtifactEntry>;

/** One edge of the lineage graph: action `key` made (`made-by`) or read (`used-by`) `artifact` under `name`. */
export const EdgeEntry = z.strictObject({
  version: z.literal(1),
  artifact: Digest,
  key: Digest,
  stage: StageName,
  name: SlotName,
});
export type EdgeEntry = z.infer<typeof EdgeEntry>;
