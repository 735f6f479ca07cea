import { randomBytes } from 'node:crypto';
import type { ArtifactKind } from '../schemas/artifact-kind.ts';
import type { Digest } from '../schemas/digest.ts';
import { ArtifactEntry } from '../schemas/index-entry.ts';
import { CHUNK_BYTES, type Manifest } from '../schemas/manifest.ts';
import type { Reference } from '../schemas/reference.ts';
import { StoreRecord } from '../schemas/store-record.ts';
import { digestOfBytes } from './canonical.ts';
import { getContent, putContent } from './content.ts';
import { fetchFolder, readArtifactFile, readManifest } from './fetch-folder.ts';
import { artifactEntryPrefix, chunkKey, STORE_KEY } from './keys.ts';
import type { CallOptions, ObjectPort } from './object-port.ts';
import { missingObjects, quarantineArtifact } from './proof.ts';
import { putFolder } from './put-folder.ts';
import { resolveName } from './resolve.ts';
import { readSealed, updateSealed } from './sealed.ts';
import { throughWindow } from './window.ts';

/** What an artifact is, beside its files. */
export interface Description {
  readonly kind: ArtifactKind;
  /** Made for demonstration from invented data. */
  readonly synthetic?: boolean;
  /** Ids of the cases a dataset is made of, in any order. */
  readonly caseIds?: readonly string[];
}

/** How far a put or fetch is; `sentBytes` counts only what had to cross the network. */
interface Transfer {
  readonly doneBytes: number;
  readonly totalBytes: number;
  readonly sentBytes: number;
}

export interface TransferOptions extends CallOptions {
  readonly onProgress?: (transfer: Transfer) => void;
}

/** A published artifact and when it was published, by the server's clock. */
type Listed = ArtifactEntry & { readonly publishedAt: Date };

/** A content-addressed store of artifacts over one bucket. The format is described in `artifacts/README.md`. */
export interface ArtifactStore {
  /** Random, 16 hex digits, made when the store was: part of workflow ids and task queue names. */
  readonly id: string;
  readonly port: ObjectPort;
  /** Publishes every file under `folder`. Chunks that are there already are not sent again. */
  putFolder(folder: string, description: Description, options?: TransferOptions): Promise<Reference>;
  /**
   * Writes an artifact's files to `folder`, which must not exist or be empty: all of them, verified, or none.
   * Throws `CorruptInput` (damaged or not there), `InvalidManifest` (hostile), `NoSpace`.
   */
  fetch(digest: Digest, folder: string, options?: TransferOptions): Promise<Manifest>;
  manifest(digest: Digest, options?: CallOptions): Promise<Manifest>;
  /** One file of an artifact, verified. Throws `NotFound` naming both where the artifact has no such file. */
  readFile(digest: Digest, path: string, options?: CallOptions): Promise<Uint8Array>;
  /** Proof that an artifact can be had: the problems of its manifest and chunks, none where all are there with their sizes. */
  missing(digest: Digest, options?: CallOptions): Promise<string[]>;
  /**
   * Reads all of an artifact, copies each object that is not what its name says to `quarantine/` and takes it out of
   * the way, so that publishing the right bytes again mends it. Returns the keys of those objects.
   */
  quarantine(digest: Digest, options?: CallOptions): Promise<string[]>;
  /**
   * Digest an artifact goes by: a digest, a unique prefix of one (6 hex digits or more, with or without `sha256:`),
   * or a ref. Throws `UnknownName`, which lists the candidates of an ambiguous prefix.
   */
  resolve(name: string, options?: CallOptions): Promise<Digest>;
  /** Published artifacts, in order of kind and digest. */
  list(filter?: { kind?: ArtifactKind }, options?: CallOptions): Promise<Listed[]>;
  /** Stores bytes that are no artifact (a log), up to 8 MiB, under their digest. */
  putBlob(bytes: Uint8Array, options?: CallOptions): Promise<Digest>;
  getBlob(digest: Digest, options?: CallOptions): Promise<Uint8Array>;
  close(): void;
}

/** Opens the store in a bucket, and makes it one where it is none. Throws `Corrupt` on a store of another format. */
export async function openStore(port: ObjectPort, options: CallOptions = {}): Promise<ArtifactStore> {
  const fresh: StoreRecord = { version: 1, storeId: randomBytes(8).toString('hex') };
  const record = await updateSealed(port, STORE_KEY, StoreRecord, (old) => old ?? fresh, options);
  return {
    id: (record ?? fresh).storeId,
    port,
    putFolder: (folder, description, call = {}) => putFolder(port, folder, description, call),
    fetch: (digest, folder, call = {}) => fetchFolder(port, digest, folder, call),
    manifest: (digest, call = {}) => readManifest(port, digest, call),
    readFile: (digest, path, call = {}) => readArtifactFile(port, digest, path, call),
    missing: (digest, call = {}) => missingObjects(port, digest, call),
    quarantine: (digest, call = {}) => quarantineArtifact(port, digest, call),
    resolve: (name, call = {}) => resolveName(port, name, call),
    list: (filter = {}, call = {}) => listArtifacts(port, filter.kind, call),
    putBlob: (bytes, call = {}) => putBlob(port, bytes, call),
    getBlob: (digest, call = {}) =>
      getContent(port, chunkKey(digest), digest, { ...call, maxBytes: CHUNK_BYTES }),
    close: () => port.close(),
  };
}

async function putBlob(port: ObjectPort, bytes: Uint8Array, options: CallOptions): Promise<Digest> {
  if (bytes.length === 0 || bytes.length > CHUNK_BYTES)
    throw new RangeError(`a blob has 1 to ${CHUNK_BYTES} bytes, not ${bytes.length}`);
  const digest = digestOfBytes(bytes);
  await putContent(port, chunkKey(digest), bytes, digest, options);
  return digest;
}

async function listArtifacts(
  port: ObjectPort,
  kind: ArtifactKind | undefined,
  options: CallOptions,
): Promise<Listed[]> {
  const found: Listed[] = [];
  await throughWindow(
    port.list(artifactEntryPrefix(kind), options),
    (object) => object.size,
    options.signal,
    (object, signal) => readSealed(port, object.key, ArtifactEntry, { ...options, signal }),
    (object, entry) => void (entry && found.push({ ...entry.value, publishedAt: object.modified })),
  );
  return found;
}
