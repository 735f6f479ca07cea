import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { open } from 'node:fs/promises';
import { mediaTypeOf } from '../schemas/artifact-kind.ts';
import type { Digest } from '../schemas/digest.ts';
import type { ArtifactEntry } from '../schemas/index-entry.ts';
import type { Manifest } from '../schemas/manifest.ts';
import type { Reference } from '../schemas/reference.ts';
import { canonicalBytes, digestOfBytes } from './canonical.ts';
import { chunkCount, chunkSize } from './chunking.ts';
import { putContent } from './content.ts';
import { PreconditionFailed, SourceChanged } from './errors.ts';
import { type FoundFile, scanFolder, stampOf } from './folder-scan.ts';
import { artifactEntryKey, chunkKey, manifestKey } from './keys.ts';
import { checkManifest } from './manifest.ts';
import type { ObjectPort } from './object-port.ts';
import { writeSealed } from './sealed.ts';
import type { Description, TransferOptions } from './store.ts';
import { throughWindow } from './window.ts';

interface Piece {
  readonly bytes: Buffer;
  readonly digest: Digest;
}

/** Publishes a folder: its chunks, then the manifest, then the index entry. Files are read once, hashed as they are read. */
export async function putFolder(
  port: ObjectPort,
  folder: string,
  description: Description,
  options: TransferOptions,
): Promise<Reference> {
  const found = await scanFolder(folder);
  const files: Manifest['files'] = [];
  const totalBytes = found.reduce((sum, file) => sum + file.size, 0);
  const sent = new Map<Digest, Promise<number>>();
  let doneBytes = 0;
  let sentBytes = 0;
  await throughWindow(
    piecesOf(found, files),
    (piece) => piece.bytes.length,
    options.signal,
    (piece, signal) => {
      const once =
        sent.get(piece.digest) ??
        putContent(port, chunkKey(piece.digest), piece.bytes, piece.digest, { ...options, signal });
      const first = !sent.has(piece.digest);
      sent.set(piece.digest, once);
      return once.then((bytes) => (first ? bytes : 0));
    },
    (piece, bytes) => {
      doneBytes += piece.bytes.length;
      sentBytes += bytes;
      options.onProgress?.({ doneBytes, totalBytes, sentBytes });
    },
  );
  return publishManifest(port, folder, manifestOf(description, files, totalBytes), options);
}

function manifestOf(description: Description, files: Manifest['files'], size: number): Manifest {
  const { kind, synthetic, caseIds } = description;
  return {
    version: 1,
    kind,
    ...(synthetic === true && { synthetic }),
    ...(caseIds && { caseIds: [...new Set(caseIds)].sort((a, b) => (a < b ? -1 : 1)) }),
    files,
    size,
  };
}

async function publishManifest(
  port: ObjectPort,
  where: string,
  manifest: Manifest,
  options: TransferOptions,
): Promise<Reference> {
  checkManifest(where, manifest);
  const bytes = canonicalBytes(manifest);
  const digest = digestOfBytes(bytes);
  await putContent(port, manifestKey(digest), bytes, digest, options);
  const artifact = { mediaType: mediaTypeOf(manifest.kind), digest, size: manifest.size };
  const entry: ArtifactEntry = {
    version: 1,
    artifact,
    files: manifest.files.length,
    ...(manifest.synthetic && { synthetic: true }),
  };
  await writeSealed(port, artifactEntryKey(manifest.kind, digest), entry, {
    ...options,
    ifAbsent: true,
  }).catch((error: unknown) => {
    if (!(error instanceof PreconditionFailed)) throw error;
  });
  return artifact;
}

/** Cuts the files into chunks, in order, and fills `files` as each one is read to its end. */
async function* piecesOf(found: readonly FoundFile[], files: Manifest['files']): AsyncGenerator<Piece> {
  for (const file of found) {
    const handle = await open(file.absolute);
    try {
      const whole = createHash('sha256');
      const chunks: Digest[] = [];
      const count = chunkCount(file.size);
      for (let index = 0; index < count; index++) {
        const bytes = await readPiece(handle, file, chunkSize(file.size, index));
        const digest = digestOfBytes(bytes);
        chunks.push(digest);
        if (count > 1) whole.update(bytes);
        yield { bytes, digest };
      }
      if (stampOf(await handle.stat({ bigint: true })) !== file.stamp) throw new SourceChanged(file.absolute);
      const digest: Digest = count === 1 && chunks[0] ? chunks[0] : `sha256:${whole.digest('hex')}`;
      files.push({ path: file.path, size: file.size, digest, chunks });
    } finally {
      await handle.close();
    }
  }
}

async function readPiece(handle: FileHandle, file: FoundFile, size: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafeSlow(size);
  for (let filled = 0; filled < size;) {
    const { bytesRead } = await handle.read(bytes, filled, size - filled);
    if (bytesRead === 0) throw new SourceChanged(file.absolute);
    filled += bytesRead;
  }
  return bytes;
}
