import { z } from 'zod';
import { ArtifactKind } from './artifact-kind.ts';
import { Digest } from './digest.ts';

/** Every file is cut at exactly this many bytes; the last piece is shorter. Part of the format. */
export const CHUNK_BYTES = 8 * 1024 * 1024;

/** One file of an artifact. `chunks[i]` is the digest of bytes `i·8 MiB` up to the next cut; an empty file has none. */
export const ManifestFile = z.strictObject({
  path: z.string(),
  size: z.int().nonnegative(),
  digest: Digest,
  chunks: z.array(Digest),
});
export type ManifestFile = z.infer<typeof ManifestFile>;

/**
 * What an artifact is made of; the sha256 of its canonical JSON is the artifact's name.
 * It holds nothing of the run that made it, so equal contents have equal names.
 */
export const Manifest = z.strictObject({
  version: z.literal(1),
  kind: ArtifactKind,
  /** Made for demonstration from invented data; absent where not. */
  synthetic: z.literal(true).optional(),
  /** Ids of the cases a dataset is made of, sorted, without duplicates. */
  caseIds: z.array(z.string().min(1).max(200)).optional(),
  /** Sorted by path, in order of UTF-16 code units. */
  files: z.array(ManifestFile),
  /** Sum of the files' sizes, bytes. */
  size: z.int().nonnegative(),
});
export type Manifest = z.infer<typeof Manifest>;
