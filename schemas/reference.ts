import { z } from 'zod';
import { Digest } from './digest.ts';

/** What crosses a Temporal boundary in place of data: the digest of an artifact's manifest, its kind and its size in bytes. */
export const Reference = z.strictObject({
  mediaType: z.string().regex(/^application\/vnd\.mmedexpert\.[a-z0-9-]+\.v\d+$/),
  digest: Digest,
  size: z.int().nonnegative(),
});
export type Reference = z.infer<typeof Reference>;
