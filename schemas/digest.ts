import { z } from 'zod';

/** A sha256 in the form `sha256:<64 hex digits>`, which `sha256sum` can check. */
export const Digest = z
  .string()
  .regex(/^sha256:[0-9a-f]{64}$/, 'a digest is "sha256:" and 64 lower-case hex digits');
export type Digest = z.infer<typeof Digest>;
