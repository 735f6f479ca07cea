import type { ArtifactKind } from '../schemas/artifact-kind.ts';
import type { Digest } from '../schemas/digest.ts';
import type { ArtifactEntry } from '../schemas/index-entry.ts';
import type { Manifest } from '../schemas/manifest.ts';
import type { Reference } from '../schemas/reference.ts';
import type { CallOptions, ObjectPort } from './object-port.ts';

/** What an artifact is, beside its files. */
export interface Description {
  readonly kind: ArtifactKind;
  /** Made for demonstration from invented data. */
  readonly synthetic?: boolean;
  /** Ids of the cases a dataset is made of, in any order. */
  readonly caseIds?: readonly string[];
}

/** How far a put or fetch is; `sentBytes` counts only what had to cross the network. */
export interface Transfer {
  readonly doneBytes: number;
  readonly totalBytes: number;
  readonly sentBytes: number;
}

export interface TransferOptions extends CallOptions {
  readonly onProgress?: (transfer: Transfer) => void;
}

/** A content-addressed store of artifacts over one bucket. The format is described in `artifacts/README.md`. */
export interface ArtifactStore {
  /** Random, 16 hex digits, made when the store was: part of workflow ids and task queue names. */
  readonly id: string;
  readonly port: ObjectPort;
  /** Publishes every file under `folder`. Chunks that are there already are not sent again. */
  putFolder(folder: string, description: Description, options?: TransferOptions): Promise<Reference>;
  /**
   * Writes an artifact's files to `folder`, which must not exist or be empty: all of them, verified, or none.
   * Throws `NotFound` (no such artifact), `CorruptInput` (damaged), `InvalidManifest` (hostile), `NoSpace`.
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
  /** Published artifacts, in order of kind and digest, each with the time of its publication by the server's clock. */
  list(
    filter?: { kind?: ArtifactKind },
    options?: CallOptions,
  ): Promise<(ArtifactEntry & { publishedAt: Date })[]>;
  /** Stores bytes that are no artifact (a log), up to 8 MiB, under their digest. */
  putBlob(bytes: Uint8Array, options?: CallOptions): Promise<Digest>;
  getBlob(digest: Digest, options?: CallOptions): Promise<Uint8Array>;
  close(): void;
}

/** Opens the store in a bucket, and makes it one where it is none. */
export async function openStore(port: ObjectPort, options: CallOptions = {}): Promise<ArtifactStore> {
  throw new Error(`not written yet ${port.description} ${options.timeoutMs}`);
}
