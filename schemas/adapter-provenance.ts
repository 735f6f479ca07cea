import { z } from 'zod';
import { Digest } from './digest.ts';

/** `provenance.json` of an adapter folder: which weights it was trained on, so that it is used on no others. */
export const AdapterProvenance = z.strictObject({
  version: z.literal(1),
  /** Digest of the weights (`weightsDigest`), not of the artifact: the same tensors in other shards have the same. */
  trainedOn: Digest,
});
export type AdapterProvenance = z.infer<typeof AdapterProvenance>;
