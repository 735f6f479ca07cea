import { createHash } from 'node:crypto';
import canonicalize from 'canonicalize';
import type { Digest } from '../schemas/digest.ts';

/** Canonical JSON (RFC 8785) as UTF-8 bytes. Throws on what JSON cannot hold (NaN, undefined, functions). */
export function canonicalBytes(value: unknown): Buffer {
  const text = (canonicalize as unknown as (value: unknown) => string | undefined)(value);
  if (text === undefined) throw new TypeError('undefined has no canonical JSON');
  return Buffer.from(text);
}

/** sha256 of bytes, as a digest. */
export const digestOfBytes = (bytes: Uint8Array): Digest =>
  `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

/** sha256 of a value's canonical JSON, as a digest. */
export const digestOf = (value: unknown): Digest => digestOfBytes(canonicalBytes(value));

/** The 64 hex digits of a digest. */
export const hexOf = (digest: Digest): string => digest.slice('sha256:'.length);
