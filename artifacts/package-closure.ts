import { readFile } from 'node:fs/promises';
import * as path from 'node:path';
import { z } from 'zod';

const Names = z.record(z.string(), z.unknown()).default({});
const Lockfile = z.object({
  lockfileVersion: z.literal(3),
  packages: z.record(
    z.string(),
    z.object({
      version: z.string().optional(),
      integrity: z.string().optional(),
      dependencies: Names,
      optionalDependencies: Names,
      peerDependencies: Names,
      peerDependenciesMeta: z.record(z.string(), z.object({ optional: z.boolean().optional() })).default({}),
    }),
  ),
});
export type Lockfile = z.infer<typeof Lockfile>;

/** The `package-lock.json` (version 3) of a project. */
export async function readLockfile(root: string): Promise<Lockfile> {
  const file = path.join(root, 'package-lock.json');
  const parsed = Lockfile.safeParse(JSON.parse(await readFile(file, 'utf8')));
  if (parsed.success) return parsed.data;
  throw new Error(`${file}: ${parsed.error.issues[0]?.path.join('.')}: ${parsed.error.issues[0]?.message}`);
}

/**
 * Version and integrity of each package that code importing `names` may load, by its path in the lockfile.
 * Throws on a name that the lockfile does not have: what is not pinned cannot be part of a key.
 */
export function packageClosure(lockfile: Lockfile, names: Iterable<string>): Map<string, string> {
  const found = new Map<string, string>();
  const visit = (place: string): void => {
    const entry = lockfile.packages[place];
    if (!entry || found.has(place)) return;
    found.set(place, [entry.version ?? 'unversioned', entry.integrity].filter(Boolean).join(' '));
    const peers = Object.keys(entry.peerDependencies).filter(
      (n) => entry.peerDependenciesMeta[n]?.optional !== true,
    );
    const needed = [...Object.keys(entry.dependencies), ...Object.keys(entry.optionalDependencies), ...peers];
    for (const name of needed) visit(resolveFrom(lockfile, place, name) ?? '');
  };
  for (const name of names) {
    const place = resolveFrom(lockfile, '', name);
    if (place === undefined)
      throw new Error(`package ${name} is imported but not in package-lock.json: install it`);
    visit(place);
  }
  return found;
}

/** Where Node finds `name` from the package at `place`: in its own `node_modules`, or the nearest one above. */
function resolveFrom(lockfile: Lockfile, place: string, name: string): string | undefined {
  for (let at = place; ;) {
    const candidate = at === '' ? `node_modules/${name}` : `${at}/node_modules/${name}`;
    if (lockfile.packages[candidate]) return candidate;
    if (at === '') return undefined;
    const cut = at.lastIndexOf('/node_modules/');
    at = cut < 0 ? '' : at.slice(0, cut);
  }
}

/** Package of an import specifier: `zod/mini` → `zod`, `@scope/name/x` → `@scope/name`. */
export const packageOf = (specifier: string): string =>
  specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
