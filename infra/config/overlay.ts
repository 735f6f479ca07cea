import type { z } from 'zod';
import { ConfigError } from './config-error.ts';
import { childOf, discriminatorOf } from './schema-walk.ts';

export type Tree = Record<string, unknown>;

const isTree = (value: unknown): value is Tree =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const join = (path: string, key: string): string => (path === '' ? key : `${path}.${key}`);

/** Forgets the origins of what lies below `path`. */
const forget = (origins: Map<string, string>, path: string): void => {
  for (const known of origins.keys()) if (known.startsWith(`${path}.`)) origins.delete(known);
};

const claim = (origins: Map<string, string>, path: string, from: string): void => {
  forget(origins, path);
  origins.set(path, from);
};

/**
 * Lays `over` on `under` and notes in `origins` where each leaf comes from. Objects are merged, everything else is
 * replaced; an object that becomes another option of its union (`base.kind`) starts empty. `null` removes a key,
 * unless it is one of its values.
 */
export const overlay = (
  under: Tree,
  over: Readonly<Tree>,
  from: string,
  schema: z.ZodType | undefined,
  origins: Map<string, string>,
  path = '',
): Tree => {
  const discriminator = discriminatorOf(schema);
  const becomes = discriminator === undefined ? undefined : over[discriminator];
  const fresh = discriminator !== undefined && becomes !== undefined && becomes !== under[discriminator];
  if (fresh) forget(origins, path);
  const out: Tree = fresh ? {} : { ...under };
  for (const [key, value] of Object.entries(over)) {
    const child = schema === undefined ? undefined : childOf(schema, key, { ...out, ...over });
    const below = join(path, key);
    if (key === '__proto__') throw new ConfigError([{ from, path: below, message: 'is not a known key' }]);
    if (value === null && child !== undefined && !child.safeParse(null).success) {
      delete out[key];
      claim(origins, below, from);
    } else if (isTree(value)) {
      const known = out[key];
      out[key] = overlay(isTree(known) ? known : {}, value, from, child, origins, below);
      if (Object.keys(out[key] as Tree).length === 0) claim(origins, below, from);
    } else {
      out[key] = value;
      claim(origins, below, from);
    }
  }
  return out;
};

/** `whole` with `value` at `path`, everything else as it was. */
const replaced = (whole: unknown, path: readonly string[], value: unknown, full: string): unknown => {
  const [key, ...rest] = path;
  if (key === undefined) return value;
  if (isTree(whole)) return { ...whole, [key]: replaced(whole[key], rest, value, full) };
  if (!Array.isArray(whole)) return { [key]: replaced(undefined, rest, value, full) };
  if (!/^\d+$/.test(key) || Number(key) >= whole.length) {
    const message = `names no element of an array of ${whole.length}`;
    throw new ConfigError([{ from: '--set', path: full, message }]);
  }
  return (whole as unknown[]).with(Number(key), replaced(whole[Number(key)], rest, value, full));
};

/**
 * The tree that holds nothing but `value` at `path`, to be laid over `under`; where the path goes into an array, the
 * array stands there whole. Throws `ConfigError` for an element that is not there.
 */
export const treeAt = (
  path: readonly string[],
  value: unknown,
  under: unknown,
  full = path.join('.'),
): unknown => {
  const [key, ...rest] = path;
  if (key === undefined) return value;
  if (Array.isArray(under)) return replaced(under, path, value, full);
  return { [key]: treeAt(rest, value, isTree(under) ? under[key] : undefined, full) };
};
