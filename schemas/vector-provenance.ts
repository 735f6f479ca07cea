import { z } from 'zod';
import { Digest } from './digest.ts';

/** `provenance.json` of a task vector's folder: digests of weights (`weightsDigest`), not of artifacts. */
export const VectorProvenance = z.strictObject({
  version: z.literal(1),
  /** The weights the vector counts from. */
  base: Digest,
  /** The weights that base and vector make, as they were stored. */
  model: Digest,
});
export type VectorProvenance = z.infer<typeof VectorProvenance>;
