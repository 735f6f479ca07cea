import pLimit from 'p-limit';
import type { Digest } from '../schemas/digest.ts';
import type { Manifest } from '../schemas/manifest.ts';
import { digestOfBytes } from './canonical.ts';
import { quarantineObject } from './content.ts';
import { Corrupt, InvalidManifest, NotFound } from './errors.ts';
import { chunkKey, manifestKey } from './keys.ts';
import { chunksOf, MAX_MANIFEST_BYTES, parseManifest } from './manifest.ts';
import type { CallOptions, ObjectEntry, ObjectPort } from './object-port.ts';

const AT_ONCE = 24;

/** Problems that keep an artifact from being read: of its manifest, and of each chunk that is not there whole. */
export async function missingObjects(
  port: ObjectPort,
  digest: Digest,
  options: CallOptions,
): Promise<string[]> {
  let chunks: Map<Digest, number>;
  try {
    const { bytes } = await port.get(manifestKey(digest), { ...options, maxBytes: MAX_MANIFEST_BYTES });
    chunks = chunksOf(digest, parseManifest(digest, bytes));
  } catch (error) {
    if (error instanceof NotFound) return [`${manifestKey(digest)}: is not there`];
    if (error instanceof Corrupt || error instanceof InvalidManifest) return [error.message];
    throw error;
  }
  const limit = pLimit(AT_ONCE);
  const problems = await limit.map(chunks, ([chunk, size]) =>
    sizeProblem(port, chunkKey(chunk), size, options),
  );
  return problems.filter((problem) => problem !== undefined);
}

async function sizeProblem(
  port: ObjectPort,
  key: string,
  size: number,
  options: CallOptions,
): Promise<string | undefined> {
  try {
    const found = (await port.head(key, options)).size;
    return found === size ? undefined : `${key}: is ${found} bytes, not ${size}`;
  } catch (error) {
    if (error instanceof NotFound) return `${key}: is not there`;
    throw error;
  }
}

/** Reads an artifact whole and takes what is damaged of it out of the way. Returns the keys of those objects. */
export async function quarantineArtifact(
  port: ObjectPort,
  digest: Digest,
  options: CallOptions,
): Promise<string[]> {
  const key = manifestKey(digest);
  const object = await objectOrNone(port, key, MAX_MANIFEST_BYTES, options);
  if (!object) return [];
  let manifest: Manifest;
  try {
    manifest = parseManifest(digest, object.bytes);
  } catch (error) {
    if (!(error instanceof Corrupt)) throw error;
    await quarantineObject(port, object, options);
    return [key];
  }
  const damaged: string[] = [];
  const limit = pLimit(4);
  await limit.map(chunksOf(digest, manifest), async ([chunk]) => {
    const found = await objectOrNone(port, chunkKey(chunk), undefined, options);
    if (!found || digestOfBytes(found.bytes) === chunk) return;
    await quarantineObject(port, found, options);
    damaged.push(found.key);
  });
  return damaged.sort();
}

async function objectOrNone(
  port: ObjectPort,
  key: string,
  maxBytes: number | undefined,
  options: CallOptions,
): Promise<(ObjectEntry & { bytes: Buffer }) | undefined> {
  try {
    return await port.get(key, { ...options, ...(maxBytes !== undefined && { maxBytes }) });
  } catch (error) {
    if (error instanceof NotFound) return undefined;
    throw error;
  }
}
