import { createHash, randomBytes } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import * as path from 'node:path';
import type { Digest } from '../schemas/digest.ts';
import type { Manifest, ManifestFile } from '../schemas/manifest.ts';
import { chunkSize } from './chunking.ts';
import { getChunk } from './content.ts';
import { Corrupt, CorruptInput, NoSpace, NotFound } from './errors.ts';
import { chunkKey, manifestKey } from './keys.ts';
import { chunksOf, MAX_MANIFEST_BYTES, parseManifest } from './manifest.ts';
import type { CallOptions, ObjectPort } from './object-port.ts';
import type { TransferOptions } from './store.ts';
import { throughWindow } from './window.ts';

/** Reads and checks an artifact's manifest. Throws `CorruptInput` and `InvalidManifest`. */
export async function readManifest(
  port: ObjectPort,
  digest: Digest,
  options: CallOptions,
): Promise<Manifest> {
  return asInput(digest, manifestKey(digest), async () => {
    const { bytes } = await port.get(manifestKey(digest), { ...options, maxBytes: MAX_MANIFEST_BYTES });
    const manifest = parseManifest(digest, bytes);
    chunksOf(digest, manifest);
    return manifest;
  });
}

/** Writes all files of an artifact beside `folder` and moves them there at the end, or leaves nothing. */
export async function fetchFolder(
  port: ObjectPort,
  digest: Digest,
  folder: string,
  options: TransferOptions,
): Promise<Manifest> {
  const manifest = await readManifest(port, digest, options);
  const target = path.resolve(folder);
  const partial = path.join(
    path.dirname(target),
    `.${path.basename(target)}.partial-${randomBytes(6).toString('hex')}`,
  );
  try {
    await mkdir(partial, { recursive: true });
    await writeFiles(port, digest, manifest, partial, options);
    await rename(partial, target);
  } catch (error) {
    await rm(partial, { recursive: true, force: true });
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOSPC' || code === 'EDQUOT')
      throw new NoSpace(`${folder}: the disk is full`, { cause: error });
    throw error;
  }
  return manifest;
}

async function writeFiles(
  port: ObjectPort,
  digest: Digest,
  manifest: Manifest,
  folder: string,
  options: TransferOptions,
): Promise<void> {
  let doneBytes = 0;
  let current: { file: ManifestFile; handle: FileHandle; hash: ReturnType<typeof createHash> } | undefined;
  const finish = async (): Promise<void> => {
    if (!current) return;
    const { file, handle, hash } = current;
    current = undefined;
    await handle.close();
    const found = `sha256:${hash.digest('hex')}`;
    if (file.chunks.length > 1 && found !== file.digest)
      throw new CorruptInput(
        digest,
        manifestKey(digest),
        `${file.path} is ${found}, listed as ${file.digest}`,
      );
  };
  try {
    await throughWindow(
      partsOf(manifest),
      (part) => part.size,
      options.signal,
      (part, signal) =>
        part.chunk === undefined
          ? Promise.resolve(undefined)
          : chunkOfInput(port, digest, part.chunk, part.size, { ...options, signal }),
      async (part, bytes) => {
        if (part.index === 0) {
          await finish();
          const file = path.join(folder, ...part.file.path.split('/'));
          await mkdir(path.dirname(file), { recursive: true });
          current = { file: part.file, handle: await open(file, 'wx'), hash: createHash('sha256') };
        }
        if (!current || bytes === undefined) return;
        if (part.file.chunks.length > 1) current.hash.update(bytes);
        await current.handle.writeFile(bytes);
        doneBytes += bytes.length;
        options.onProgress?.({ doneBytes, totalBytes: manifest.size, sentBytes: doneBytes });
      },
    );
    await finish();
  } finally {
    await current?.handle.close();
  }
}

interface Part {
  readonly file: ManifestFile;
  readonly index: number;
  readonly chunk: Digest | undefined;
  readonly size: number;
}

function* partsOf(manifest: Manifest): Generator<Part> {
  for (const file of manifest.files) {
    if (file.chunks.length === 0) yield { file, index: 0, chunk: undefined, size: 0 };
    for (const [index, chunk] of file.chunks.entries())
      yield { file, index, chunk, size: chunkSize(file.size, index) };
  }
}

/** One file of an artifact, verified against its chunks and its own digest. */
export async function readArtifactFile(
  port: ObjectPort,
  digest: Digest,
  name: string,
  options: CallOptions,
): Promise<Uint8Array> {
  const manifest = await readManifest(port, digest, options);
  const file = manifest.files.find((f) => f.path === name);
  if (!file) throw new NotFound(`artifact ${digest} has no file ${JSON.stringify(name)}`);
  const pieces: Buffer[] = [];
  await throughWindow(
    file.chunks.entries(),
    ([index]) => chunkSize(file.size, index),
    options.signal,
    ([index, chunk], signal) =>
      chunkOfInput(port, digest, chunk, chunkSize(file.size, index), { ...options, signal }),
    (_, bytes) => void pieces.push(bytes),
  );
  const whole = Buffer.concat(pieces);
  const found = `sha256:${createHash('sha256').update(whole).digest('hex')}`;
  if (found !== file.digest)
    throw new CorruptInput(digest, manifestKey(digest), `${name} is ${found}, listed as ${file.digest}`);
  return whole;
}

const chunkOfInput = (port: ObjectPort, digest: Digest, chunk: Digest, size: number, options: CallOptions) =>
  asInput(digest, chunkKey(chunk), () => getChunk(port, chunk, size, options));

/** Says of a missing or damaged object which artifact cannot be read for it. */
async function asInput<T>(digest: Digest, object: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof NotFound) throw new CorruptInput(digest, object, 'is not there');
    if (error instanceof Corrupt) throw new CorruptInput(digest, object, error.problem);
    throw error;
  }
}
