import { readFile } from 'node:fs/promises';
import { isBuiltin } from 'node:module';
import * as path from 'node:path';
import { build, type BuildOptions, type Metafile } from 'esbuild';
import type { CodeMap } from '../schemas/action.ts';
import { digestOfBytes } from './canonical.ts';
import { packageClosure, packageOf, readLockfile } from './package-closure.ts';

const known = new Map<string, Promise<CodeMap>>();

/**
 * What the code behind some entry files is, traced once in a process: a process keeps running the code it loaded.
 * `entries` are relative to `root`, the folder of `package-lock.json`.
 */
export function codeMap(root: string, entries: readonly string[]): Promise<CodeMap> {
  const name = JSON.stringify([root, ...entries]);
  const map = known.get(name) ?? traceCode(root, entries);
  known.set(name, map);
  map.catch(() => known.delete(name));
  return map;
}

// The project's own tsconfig is left aside: an import whose names serve only as types then is no import.
const SETTINGS = {
  write: false,
  platform: 'node',
  format: 'esm',
  target: 'es2023',
  charset: 'utf8',
  tsconfigRaw: {},
  logLevel: 'silent',
} as const satisfies BuildOptions;

const DATA = new Set(['.json', '.txt', '.md', '.jinja']);

/**
 * Digest of each module in the entry files' graph, by path relative to `root`, and version with integrity of each
 * package it may load. TypeScript is compiled and stripped of white space and comments first, so that edits of
 * comments, layout and types change nothing; data files count by their bytes. Node's own modules do not count.
 */
export async function traceCode(root: string, entries: readonly string[]): Promise<CodeMap> {
  const files = await modulesOf(root, entries);
  const sources = files.filter((file) => !DATA.has(path.extname(file)));
  const printed = await build({
    ...SETTINGS,
    absWorkingDir: root,
    entryPoints: sources.map((file, i) => ({ in: path.join(root, file), out: String(i) })),
    outdir: path.join(root, '.code-digest'),
    minifyWhitespace: true,
    legalComments: 'none',
    metafile: true,
  });
  const digests = new Map<string, string>();
  for (const { path: out, contents } of printed.outputFiles) {
    const file = sources[Number(path.basename(out, '.js'))];
    if (file !== undefined) digests.set(file, digestOfBytes(contents));
  }
  for (const file of files)
    if (!digests.has(file)) digests.set(file, digestOfBytes(await readFile(path.join(root, file))));
  const packages = packageClosure(await readLockfile(root), externalPackages(printed.metafile));
  return Object.fromEntries([...digests, ...packages].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** The modules that the entries load, by path. Throws naming the import that leads nowhere. */
async function modulesOf(root: string, entries: readonly string[]): Promise<string[]> {
  const { metafile } = await build({
    ...SETTINGS,
    absWorkingDir: root,
    entryPoints: entries.map((entry) => path.join(root, entry)),
    outdir: path.join(root, '.code-digest'),
    bundle: true,
    packages: 'external',
    metafile: true,
    loader: { '.txt': 'text', '.md': 'text', '.jinja': 'text' },
  });
  return Object.keys(metafile.inputs).sort();
}

/** Packages that printed modules import; imports that served only types are no longer in them. */
function externalPackages({ outputs }: Metafile): Set<string> {
  const imports = Object.values(outputs).flatMap((output) => output.imports.map((i) => i.path));
  return new Set(imports.filter((i) => !/^[./]/.test(i) && !isBuiltin(i)).map(packageOf));
}
