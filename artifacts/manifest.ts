import { Manifest } from '../schemas/manifest.ts';
import type { ManifestFile } from '../schemas/manifest.ts';
import type { Digest } from '../schemas/digest.ts';
import { digestOfBytes } from './canonical.ts';
import { chunkCount, chunkSize } from './chunking.ts';
import { Corrupt, InvalidManifest } from './errors.ts';
import { parseCanonical } from './json.ts';
import { manifestKey } from './keys.ts';
import { checkPaths } from './paths.ts';

/** What a manifest may claim at most; larger claims are refused before anything is allocated. */
export const MAX_MANIFEST_BYTES = 64 * 1024 * 1024;
const MAX_FILES = 200_000;
const MAX_FILE_BYTES = 2 ** 42;
const EMPTY: Digest = digestOfBytes(new Uint8Array());

/**
 * Reads a manifest, which is untrusted input. Throws `Corrupt` where the bytes are not those the digest names, and
 * `InvalidManifest`, naming the offender, where they break a rule of the format.
 */
export function parseManifest(digest: Digest, bytes: Buffer): Manifest {
  const object = manifestKey(digest);
  if (bytes.length === 0) throw new Corrupt(object, 'was quarantined');
  const found = digestOfBytes(bytes);
  if (found !== digest) throw new Corrupt(object, `holds ${found}`);
  let manifest: Manifest;
  try {
    manifest = parseCanonical(object, bytes, Manifest);
  } catch (error) {
    if (error instanceof Corrupt) throw new InvalidManifest(object, 'manifest', error.problem);
    throw error;
  }
  checkManifest(object, manifest);
  return manifest;
}

/** The rules of a manifest beyond its schema. */
export function checkManifest(where: string, manifest: Manifest): void {
  const { files, caseIds } = manifest;
  if (files.length > MAX_FILES)
    throw new InvalidManifest(where, 'files', `has ${files.length} entries, more than ${MAX_FILES}`);
  checkPaths(
    where,
    files.map((file) => file.path),
  );
  checkAscending(
    where,
    'files',
    files.map((file) => file.path),
  );
  if (caseIds) checkAscending(where, 'caseIds', caseIds);
  for (const file of files) checkFile(where, file);
  const total = files.reduce((sum, file) => sum + file.size, 0);
  if (total !== manifest.size)
    throw new InvalidManifest(where, 'size', `is ${manifest.size}, the files have ${total}`);
}

function checkFile(where: string, file: ManifestFile): void {
  const refuse = (problem: string): never => {
    throw new InvalidManifest(where, file.path, problem);
  };
  if (file.size > MAX_FILE_BYTES) refuse(`claims ${file.size} bytes, more than ${MAX_FILE_BYTES}`);
  const expected = chunkCount(file.size);
  if (file.chunks.length !== expected)
    refuse(`has ${file.chunks.length} chunks, ${file.size} bytes are cut into ${expected}`);
  if (expected <= 1 && file.digest !== (file.chunks[0] ?? EMPTY))
    refuse('has a digest that is not its only chunk’s');
}

function checkAscending(where: string, field: string, values: readonly string[]): void {
  for (let i = 1; i < values.length; i++) {
    const [before, value] = [values[i - 1] ?? '', values[i] ?? ''];
    if (!(before < value))
      throw new InvalidManifest(where, value.slice(0, 300), `is out of order or twice in ${field}`);
  }
}

/** Each chunk of an artifact once, with its size in bytes. A digest listed with two sizes is refused. */
export function chunksOf(digest: Digest, manifest: Manifest): Map<Digest, number> {
  const sizes = new Map<Digest, number>();
  for (const file of manifest.files)
    for (const [index, chunk] of file.chunks.entries()) {
      const size = chunkSize(file.size, index);
      if ((sizes.get(chunk) ?? size) !== size)
        throw new InvalidManifest(manifestKey(digest), file.path, `lists chunk ${chunk} with two sizes`);
      sizes.set(chunk, size);
    }
  return sizes;
}
