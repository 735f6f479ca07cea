import type { z } from 'zod';
import { ActionPreimage, CodeMap } from '../schemas/action.ts';
import { ActionResult } from '../schemas/action-result.ts';
import { CheckpointRecord } from '../schemas/checkpoint-record.ts';
import type { Digest } from '../schemas/digest.ts';
import { ArtifactEntry, EdgeEntry } from '../schemas/index-entry.ts';
import { Ref } from '../schemas/ref.ts';
import { RunRecord } from '../schemas/run-record.ts';
import { StepPointer } from '../schemas/step-pointer.ts';
import { StoreRecord } from '../schemas/store-record.ts';
import { digestOfBytes } from './canonical.ts';
import { Corrupt, InvalidManifest, NotFound } from './errors.ts';
import { parseCanonical } from './json.ts';
import { ALL_OBJECTS, chunkKey, digestInKey, manifestKey, QUARANTINE } from './keys.ts';
import { chunksOf, MAX_MANIFEST_BYTES, parseManifest } from './manifest.ts';
import type { CallOptions, ObjectEntry, ObjectPort } from './object-port.ts';
import { unseal } from './sealed.ts';
import { throughWindow } from './window.ts';

interface Problem {
  readonly object: string;
  readonly problem: string;
}

export interface Verification {
  readonly objects: number;
  readonly bytes: number;
  readonly problems: readonly Problem[];
}

/** Kinds of sealed records, by what their keys look like below the version. */
const SEALED: readonly (readonly [RegExp, z.ZodType])[] = [
  [/^store\.json$/, StoreRecord],
  [/^actions\/sha256\/..\/.{62}\/(result|other\/[0-9a-f]{64})\.json$/, ActionResult],
  [/^checkpoints\/.*\.json$/, CheckpointRecord],
  [/^runs\/.*\.json$/, RunRecord],
  [/^refs\/.*\.json$/, Ref],
  [/^steps\/.*\.json$/, StepPointer],
  [/^index\/artifacts\/.*\.json$/, ArtifactEntry],
  [/^index\/(made-by|used-by)\/.*\.json$/, EdgeEntry],
];

/**
 * Reads every object of the store and names each that is not what its key or its seal says, each chunk that a
 * manifest lists and that is not there, and each object that belongs to no format. Quarantined bytes are passed over.
 */
export async function verifyStore(
  port: ObjectPort,
  options: CallOptions & { onProgress?: (objects: number, bytes: number) => void } = {},
): Promise<Verification> {
  const problems: Problem[] = [];
  const sizes = new Map<string, number>();
  const manifests: Digest[] = [];
  let [objects, bytes] = [0, 0];
  await throughWindow(
    port.list(ALL_OBJECTS, options),
    (object) => object.size,
    options.signal,
    async (object, signal) =>
      object.key.startsWith(QUARANTINE) ? undefined : problemOf(port, object, { ...options, signal }),
    (object, problem) => {
      if (object.key.startsWith(QUARANTINE)) return;
      sizes.set(object.key, object.size);
      const manifest = digestInKey('manifests', object.key);
      if (problem !== undefined) problems.push({ object: object.key, problem });
      else if (manifest) manifests.push(manifest);
      objects += 1;
      bytes += object.size;
      options.onProgress?.(objects, bytes);
    },
  );
  for (const digest of manifests)
    for (const [chunk, size] of await chunksIn(port, digest, options)) {
      const found = sizes.get(chunkKey(chunk));
      if (found === undefined)
        problems.push({ object: chunkKey(chunk), problem: `is not there, ${digest} needs it` });
      else if (found !== size && found !== 0)
        problems.push({ object: chunkKey(chunk), problem: `is ${found} bytes, ${digest} needs ${size}` });
    }
  return { objects, bytes, problems: distinct(problems) };
}

/** Reads one artifact whole and names each of its objects that is damaged or not there. */
export async function verifyArtifact(
  port: ObjectPort,
  digest: Digest,
  options: CallOptions = {},
): Promise<Verification> {
  const problems: Problem[] = [];
  let [objects, bytes] = [1, 0];
  let chunks = new Map<Digest, number>();
  try {
    chunks = await chunksIn(port, digest, options);
  } catch (error) {
    problems.push({ object: manifestKey(digest), problem: describe(error) });
  }
  await throughWindow(
    chunks,
    ([, size]) => size,
    options.signal,
    async ([chunk, size], signal) => {
      try {
        const found = await port.get(chunkKey(chunk), { ...options, signal });
        return contentProblem(found.bytes, chunk, size);
      } catch (error) {
        return describe(error);
      }
    },
    ([chunk, size], problem) => {
      if (problem !== undefined) problems.push({ object: chunkKey(chunk), problem });
      objects += 1;
      bytes += size;
    },
  );
  return { objects, bytes, problems };
}

async function chunksIn(
  port: ObjectPort,
  digest: Digest,
  options: CallOptions,
): Promise<Map<Digest, number>> {
  const { bytes } = await port.get(manifestKey(digest), { ...options, maxBytes: MAX_MANIFEST_BYTES });
  return chunksOf(digest, parseManifest(digest, bytes));
}

async function problemOf(
  port: ObjectPort,
  { key }: ObjectEntry,
  options: CallOptions,
): Promise<string | undefined> {
  try {
    const { bytes } = await port.get(key, { ...options, maxBytes: MAX_MANIFEST_BYTES });
    return check(key, bytes);
  } catch (error) {
    return describe(error);
  }
}

/** Throws `Corrupt` or `InvalidManifest`, or returns what is wrong. */
function check(key: string, bytes: Buffer): string | undefined {
  const chunk = digestInKey('chunks', key);
  if (chunk) return contentProblem(bytes, chunk, undefined);
  const manifest = digestInKey('manifests', key);
  if (manifest) return void chunksOf(manifest, parseManifest(manifest, bytes));
  const code = digestInKey('code', key);
  const action = key.endsWith('/preimage.json') ? digestInKey('actions', key) : undefined;
  const digest = code ?? action;
  if (digest) {
    const problem = contentProblem(bytes, digest, undefined);
    if (problem === undefined) parseCanonical<unknown>(key, bytes, code ? CodeMap : ActionPreimage);
    return problem;
  }
  const schema = SEALED.find(([pattern]) => pattern.test(key.slice(ALL_OBJECTS.length)))?.[1];
  if (!schema) return 'belongs to no part of the format';
  unseal(key, bytes, schema);
  return undefined;
}

function contentProblem(bytes: Buffer, digest: Digest, size: number | undefined): string | undefined {
  if (bytes.length === 0) return 'was quarantined and not yet published again';
  const found = digestOfBytes(bytes);
  if (found !== digest) return `holds ${found} (${bytes.length} bytes)`;
  return size === undefined || size === bytes.length
    ? undefined
    : `is ${bytes.length} bytes, its manifest says ${size}`;
}

/** What a failed read says of the object; a failure of the server is thrown on. */
function describe(error: unknown): string {
  if (error instanceof NotFound) return 'is not there';
  if (error instanceof Corrupt || error instanceof InvalidManifest)
    return error.message.replace(/^\S+: /, '');
  throw error;
}

const distinct = (problems: readonly Problem[]): Problem[] => [
  ...new Map(problems.map((p) => [p.object, p])).values(),
];
