import { z } from 'zod';
import { Reference } from './reference.ts';

/**
 * Name of a ref: segments separated by `/`, such as `run/01J…/sft/AM` or a tag. A segment does not end in `.json`
 * (the suffix of its object), and a name that reads as a digest prefix is refused.
 */
export const RefName = z
  .string()
  .max(400)
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,99}(\/[A-Za-z0-9][A-Za-z0-9._-]{0,99})*$/, 'not a ref name')
  .refine((name) => !/\.json(\/|$)/.test(name), 'a segment of a ref name may not end in .json')
  .refine((name) => !/^[0-9a-f]{6,64}$/.test(name), 'a ref name may not read as a digest prefix');
export type RefName = z.infer<typeof RefName>;

/** A mutable name of an artifact. */
export const Ref = z.strictObject({ version: z.literal(1), name: RefName, target: Reference });
export type Ref = z.infer<typeof Ref>;
