import type { Digest } from '../schemas/digest.ts';
import { RefName } from '../schemas/ref.ts';
import { hexOf } from './canonical.ts';

/**
 * Key grammar of the store's objects. All start with the format's version; digests fan out over their first two
 * digits, so that no folder of a file-backed server grows without bound. No key is a folder of another: every
 * object's last segment is either hex digits at a fixed depth or ends in `.json`.
 */
const ROOT = 'v1';

const fanOut = (area: string, digest: Digest): string => {
  const hex = hexOf(digest);
  return `${ROOT}/${area}/sha256/${hex.slice(0, 2)}/${hex.slice(2)}`;
};

export const ALL_OBJECTS = `${ROOT}/`;
/** Copies of damaged objects. */
export const QUARANTINE = `${ROOT}/quarantine/`;
export const STORE_KEY = `${ROOT}/store.json`;
export const chunkKey = (digest: Digest): string => fanOut('chunks', digest);
export const manifestKey = (digest: Digest): string => fanOut('manifests', digest);
export const codeKey = (digest: Digest): string => fanOut('code', digest);
export const preimageKey = (key: Digest): string => `${fanOut('actions', key)}/preimage.json`;
export const resultKey = (key: Digest): string => `${fanOut('actions', key)}/result.json`;
/** A result that differs from the one in `result.json`, beside it. */
export const otherResultKey = (key: Digest, result: Digest): string =>
  `${fanOut('actions', key)}/other/${hexOf(result)}.json`;
export const checkpointPrefix = (key: Digest): string => `${fanOut('checkpoints', key)}/`;
export const checkpointKey = (key: Digest, step: number): string =>
  `${checkpointPrefix(key)}${String(step).padStart(12, '0')}.json`;
export const runPrefix = (): string => `${ROOT}/runs/`;
export const runKey = (runId: string): string => `${ROOT}/runs/${runId}.json`;
export const refPrefix = (): string => `${ROOT}/refs/`;
/** Throws a zod error on what is no ref name. */
export const refKey = (name: string): string => `${ROOT}/refs/${RefName.parse(name)}.json`;
/** Step names follow the same grammar as ref names. */
export const stepKey = (step: string): string => `${ROOT}/steps/${RefName.parse(step)}.json`;
export const artifactEntryPrefix = (kind?: string): string =>
  `${ROOT}/index/artifacts/${kind === undefined ? '' : `${kind}/`}`;
export const artifactEntryKey = (kind: string, digest: Digest): string =>
  `${artifactEntryPrefix(kind)}${hexOf(digest)}.json`;
export const edgePrefix = (side: 'made-by' | 'used-by', artifact: Digest): string =>
  `${fanOut(`index/${side}`, artifact)}/`;
export const edgeKey = (side: 'made-by' | 'used-by', artifact: Digest, key: Digest, name: string): string =>
  `${edgePrefix(side, artifact)}${hexOf(key)}/${name}.json`;
export const quarantineKey = (object: string, found: Digest): string =>
  `${QUARANTINE}${object}/${hexOf(found)}`;

/** Object prefix of the artifacts whose digest starts with `hex` (at least two digits). */
export const manifestPrefix = (hex: string): string =>
  `${ROOT}/manifests/sha256/${hex.slice(0, 2)}/${hex.slice(2)}`;

/** Digest in a fanned-out key of `area`, undefined where the key is none. */
export function digestInKey(area: string, key: string): Digest | undefined {
  const match = new RegExp(`^${ROOT}/${area}/sha256/([0-9a-f]{2})/([0-9a-f]{62})(?:/|$)`).exec(key);
  return match ? `sha256:${match[1]}${match[2]}` : undefined;
}
