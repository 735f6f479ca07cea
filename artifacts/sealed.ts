import { z } from 'zod';
import { Digest } from '../schemas/digest.ts';
import { canonicalBytes, digestOf } from './canonical.ts';
import { Corrupt, NotFound, PreconditionFailed } from './errors.ts';
import { parseCanonical } from './json.ts';
import type { CallOptions, ObjectPort, PutOptions } from './object-port.ts';

/**
 * Records that have a name of their own (refs, runs, results, index entries) carry a `seal`: the digest of
 * `{ object, record }`, their key and themselves without it. So a flipped bit is found in them as it is in objects
 * named by their digest, and so is a record under another one's key.
 */
const Sealed = z.looseObject({ seal: Digest });

const MAX_RECORD_BYTES = 32 * 1024 * 1024;

export const sealedBytes = (object: string, record: object): Buffer =>
  canonicalBytes({ ...record, seal: digestOf({ object, record }) });

/** Reads a sealed record's bytes. Throws `Corrupt` where they are damaged or of another shape. */
export function unseal<T>(object: string, bytes: Buffer, schema: z.ZodType<T>): T {
  const { seal, ...record } = parseCanonical(object, bytes, Sealed);
  if (seal !== digestOf({ object, record })) throw new Corrupt(object, 'does not match its seal');
  const parsed = schema.safeParse(record);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new Corrupt(
    object,
    `${issue?.path.join('.') || 'value'}: ${issue?.message ?? 'not what it should be'}`,
  );
}

/** A record and the etag to replace it with; undefined where there is none. */
export async function readSealed<T>(
  port: ObjectPort,
  key: string,
  schema: z.ZodType<T>,
  options: CallOptions = {},
): Promise<{ value: T; etag: string } | undefined> {
  try {
    const { bytes, etag } = await port.get(key, { ...options, maxBytes: MAX_RECORD_BYTES });
    return { value: unseal(key, bytes, schema), etag };
  } catch (error) {
    if (error instanceof NotFound) return undefined;
    throw error;
  }
}

/** Writes a record; throws `PreconditionFailed` as the options say. */
export const writeSealed = (port: ObjectPort, key: string, value: object, options: PutOptions = {}) =>
  port.put(key, sealedBytes(key, value), options);

/**
 * Replaces a record by what `change` makes of it (undefined where there is none), again and again until no one else
 * wrote in between. `change` may return its argument to leave the record as it is.
 */
export async function updateSealed<T extends object>(
  port: ObjectPort,
  key: string,
  schema: z.ZodType<T>,
  change: (value: T | undefined) => T | undefined,
  options: CallOptions = {},
): Promise<T | undefined> {
  for (;;) {
    const old = await readSealed(port, key, schema, options);
    const next = change(old?.value);
    if (next === undefined || next === old?.value) return next;
    try {
      await writeSealed(port, key, next, {
        ...options,
        ...(old ? { ifMatch: old.etag } : { ifAbsent: true }),
      });
      return next;
    } catch (error) {
      // Each failed round means that another writer's round succeeded, so this ends when the writers do.
      if (!(error instanceof PreconditionFailed)) throw error;
    }
  }
}
