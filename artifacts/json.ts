import type { z } from 'zod';
import { canonicalBytes } from './canonical.ts';
import { Corrupt } from './errors.ts';

/**
 * Parses an object's bytes as canonical JSON of a schema. Bytes that are not the canonical form of what they hold
 * (white space, other key order, a key twice) are refused, as is nesting too deep to walk. Throws `Corrupt`.
 */
export function parseCanonical<T>(object: string, bytes: Buffer, schema: z.ZodType<T>): T {
  let value: unknown;
  let canonical: Buffer;
  try {
    value = JSON.parse(bytes.toString('utf8'));
    canonical = canonicalBytes(value);
  } catch (error) {
    throw new Corrupt(object, `is no JSON (${error instanceof Error ? error.message : String(error)})`);
  }
  if (!canonical.equals(bytes)) throw new Corrupt(object, 'is no canonical JSON');
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new Corrupt(
    object,
    `${issue?.path.join('.') || 'value'}: ${issue?.message ?? 'not what it should be'}`,
  );
}
