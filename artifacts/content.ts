import type { Digest } from '../schemas/digest.ts';
import { CHUNK_BYTES } from '../schemas/manifest.ts';
import { digestOfBytes, hexOf } from './canonical.ts';
import { Corrupt, NotFound, PreconditionFailed } from './errors.ts';
import { chunkKey, quarantineKey } from './keys.ts';
import type { CallOptions, ObjectEntry, ObjectPort } from './object-port.ts';

/** Below this it costs less to send the bytes than to ask first whether they are there. */
const ASK_FIRST_BYTES = 128 * 1024;

/**
 * Puts bytes under a key that is made of their digest, unless they are there. An object in their place that is not
 * them (a quarantined, empty one, or damage that can be seen from here) is quarantined and replaced.
 * Returns how many bytes were sent.
 */
export async function putContent(
  port: ObjectPort,
  key: string,
  bytes: Uint8Array,
  digest: Digest,
  options: CallOptions = {},
): Promise<number> {
  const sha256 = hexOf(digest);
  if (bytes.length >= ASK_FIRST_BYTES && (await sizeOf(port, key, options)) === bytes.length) return 0;
  for (;;) {
    try {
      await port.put(key, bytes, { ...options, sha256, ifAbsent: true });
      return bytes.length;
    } catch (error) {
      if (!(error instanceof PreconditionFailed)) throw error;
    }
    try {
      const there = await port.get(key, options);
      if (digestOfBytes(there.bytes) === digest) return 0;
      if (there.size > 0) await keepCopy(port, there, options);
      await port.put(key, bytes, { ...options, sha256, ifMatch: there.etag });
      return bytes.length;
    } catch (error) {
      // Somebody else mended or removed it in between: look again.
      if (!(error instanceof PreconditionFailed) && !(error instanceof NotFound)) throw error;
    }
  }
}

async function sizeOf(port: ObjectPort, key: string, options: CallOptions): Promise<number | undefined> {
  try {
    return (await port.head(key, options)).size;
  } catch (error) {
    if (error instanceof NotFound) return undefined;
    throw error;
  }
}

/** Bytes of an object that is named by their digest. Throws `NotFound` and `Corrupt`. */
export async function getContent(
  port: ObjectPort,
  key: string,
  digest: Digest,
  options: CallOptions & { maxBytes?: number } = {},
): Promise<Buffer> {
  const { bytes } = await port.get(key, options);
  if (bytes.length === 0) throw new Corrupt(key, 'was quarantined');
  const found = digestOfBytes(bytes);
  if (found !== digest) throw new Corrupt(key, `holds ${found} (${bytes.length} bytes)`);
  return bytes;
}

/** One chunk, verified. */
export async function getChunk(
  port: ObjectPort,
  digest: Digest,
  size: number,
  options: CallOptions = {},
): Promise<Buffer> {
  const bytes = await getContent(port, chunkKey(digest), digest, { ...options, maxBytes: CHUNK_BYTES });
  if (bytes.length !== size)
    throw new Corrupt(chunkKey(digest), `is ${bytes.length} bytes, its manifest says ${size}`);
  return bytes;
}

/**
 * Copies a damaged object to `quarantine/` and puts an empty one in its place, if it is still the same: empty counts
 * as not there, and the next publication of the right bytes replaces it.
 */
export async function quarantineObject(
  port: ObjectPort,
  damaged: ObjectEntry & { bytes: Buffer },
  options: CallOptions = {},
): Promise<void> {
  if (damaged.size === 0) return;
  await keepCopy(port, damaged, options);
  try {
    await port.put(damaged.key, new Uint8Array(), { ...options, ifMatch: damaged.etag });
  } catch (error) {
    if (!(error instanceof PreconditionFailed) && !(error instanceof NotFound)) throw error;
  }
}

/** Copies a damaged object that only serves as an index to `quarantine/` and deletes it. */
export async function removeDamaged(port: ObjectPort, key: string, options: CallOptions = {}): Promise<void> {
  await keepCopy(port, await port.get(key, options), options);
  await port.delete(key, options);
}

async function keepCopy(
  port: ObjectPort,
  damaged: ObjectEntry & { bytes: Buffer },
  options: CallOptions,
): Promise<void> {
  try {
    const key = quarantineKey(damaged.key, digestOfBytes(damaged.bytes));
    await port.put(key, damaged.bytes, { ...options, ifAbsent: true });
  } catch (error) {
    if (!(error instanceof PreconditionFailed)) throw error;
  }
}
