import { readdir, stat } from 'node:fs/promises';
import * as path from 'node:path';
import { InvalidManifest } from './errors.ts';
import { checkPaths } from './paths.ts';

export interface FoundFile {
  /** Relative, with `/`. */
  readonly path: string;
  readonly absolute: string;
  readonly size: number;
  /** Inode, times (ns) and size in one string: another one means that the file may have changed. */
  readonly stamp: string;
  /** When its inode last changed, ms since 1970. */
  readonly changedMs: number;
}

export const stampOf = (s: { ino: bigint; size: bigint; mtimeNs: bigint; ctimeNs: bigint }): string =>
  `${s.ino}:${s.size}:${s.mtimeNs}:${s.ctimeNs}`;

/** The regular files under a folder, sorted by path. Links and devices are refused, empty folders are left out. */
export async function scanFolder(folder: string): Promise<FoundFile[]> {
  const entries = await readdir(folder, { withFileTypes: true, recursive: true });
  const names: string[] = [];
  for (const entry of entries) {
    const name = path.relative(folder, path.join(entry.parentPath, entry.name)).split(path.sep).join('/');
    if (entry.isDirectory()) continue;
    if (!entry.isFile()) throw new InvalidManifest(folder, name, 'is neither a file nor a folder');
    names.push(name);
  }
  names.sort((a, b) => (a < b ? -1 : 1));
  checkPaths(folder, names);
  return Promise.all(
    names.map(async (name) => {
      const absolute = path.join(folder, name);
      const s = await stat(absolute, { bigint: true });
      return { path: name, absolute, size: Number(s.size), stamp: stampOf(s), changedMs: Number(s.ctimeMs) };
    }),
  );
}
