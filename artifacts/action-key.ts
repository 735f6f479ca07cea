import type { z } from 'zod';
import type { Action, ActionPreimage, CodeMap } from '../schemas/action.ts';
import type { Digest } from '../schemas/digest.ts';
import { canonicalBytes, digestOf } from './canonical.ts';

/** Digest of a code map. */
export const codeDigest = (code: CodeMap): Digest => digestOf(code);

/** The stored form of an action. */
export const preimageOf = (action: Action): ActionPreimage => ({ ...action, code: codeDigest(action.code) });

/** Name of an action: the digest of its preimage. Two actions with one key compute the same. */
export const actionKey = (action: Action): Digest => digestOf(preimageOf(action));

type Json = z.core.util.JSONType;

/**
 * Parameters as they enter an action key: those that the schema would fill in the same way are left out, at every
 * depth, so that a new parameter with a default changes no key.
 */
export function withoutDefaults(schema: z.ZodType, params: Record<string, unknown>): Record<string, Json> {
  const full = canonicalBytes(schema.parse(params));
  const same = (candidate: unknown): boolean => {
    const parsed = schema.safeParse(candidate);
    return parsed.success && canonicalBytes(parsed.data).equals(full);
  };
  const lean = JSON.parse(full.toString()) as Record<string, Json>;
  strip(lean, () => same(lean));
  return lean;
}

function strip(node: Record<string, Json>, same: () => boolean): void {
  for (const name of Object.keys(node)) {
    const value = node[name];
    if (value === undefined) continue;
    delete node[name];
    if (same()) continue;
    node[name] = value;
    if (value !== null && typeof value === 'object' && !Array.isArray(value)) strip(value, same);
  }
}
