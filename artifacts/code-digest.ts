import { readFile } from 'node:fs/promises';
import { isBuiltin } from 'node:module';
import * as path from 'node:path';
import { build } from 'esbuild';
import type { CodeMap } from '../schemas/action.ts';
import { digestOfBytes } from './canonical.ts';
import { type Lockfile, packageClosure, packageOf, readLockfile } from './package-closure.ts';

/** One module as it counts: digest of what runs, and what it imports to run. Paths are relative to the root, with `/`. */
interface Module {
  readonly digest: string;
  readonly modules: readonly string[];
  readonly packages: readonly string[];
}

/** What was traced under one root. */
interface Trace {
  readonly modules: Map<string, Module>;
  lockfile: Lockfile | undefined;
}

const maps = new Map<string, Promise<CodeMap>>();
const traces = new Map<string, Trace>();
let last: Promise<unknown> = Promise.resolve();

/**
 * What the code behind some entry files is, traced once in a process: a process keeps running the code it loaded.
 * `entries` are relative to `root`, the folder of `package-lock.json`.
 */
export function codeMap(root: string, entries: readonly string[]): Promise<CodeMap> {
  const name = JSON.stringify([root, ...entries]);
  const known = maps.get(name);
  if (known) return known;
  const trace = traces.get(root) ?? { modules: new Map(), lockfile: undefined };
  traces.set(root, trace);
  // One after the other, so that the modules that stages share are printed once.
  const map = last.then(() => traceCode(root, entries, trace));
  last = map.catch(() => maps.delete(name));
  maps.set(name, map);
  return map;
}

/**
 * Digest of each module in the entry files' graph, by path relative to `root`, and version with integrity of each
 * package it may load. TypeScript is compiled and stripped of white space and comments first, so that edits of
 * comments, layout and types change nothing; data files count by their bytes. Node's own modules do not count.
 */
export async function traceCode(
  root: string,
  entries: readonly string[],
  trace: Trace = { modules: new Map(), lockfile: undefined },
): Promise<CodeMap> {
  const found = new Map<string, Module>();
  for (
    let wave = new Map(entries.map((entry) => [path.posix.normalize(entry), 'the stage']));
    wave.size > 0;
  ) {
    const unknown = [...wave].filter(([file]) => !trace.modules.has(file));
    for (const [file, module] of await printModules(root, new Map(unknown))) trace.modules.set(file, module);
    const next = new Map<string, string>();
    for (const file of wave.keys()) {
      const module = trace.modules.get(file);
      if (!module) continue;
      found.set(file, module);
      for (const imported of module.modules) next.set(imported, file);
    }
    wave = new Map([...next].filter(([file]) => !found.has(file)));
  }
  trace.lockfile ??= await readLockfile(root);
  const packages = packageClosure(trace.lockfile, new Set([...found.values()].flatMap((m) => m.packages)));
  const digests = [...found].map(([file, { digest }]) => [file, digest] as const);
  return Object.fromEntries([...digests, ...packages].sort(([a], [b]) => (a < b ? -1 : 1)));
}

const SCRIPTS = new Set(['.ts', '.mts', '.js', '.mjs']);

/** Prints modules without what does not run. `files` names, for messages, what imports each of them. */
async function printModules(root: string, files: ReadonlyMap<string, string>): Promise<Map<string, Module>> {
  const texts = new Map<string, Buffer>();
  await Promise.all(
    [...files].map(async ([file, importer]) => {
      const text = await readFile(path.join(root, file)).catch((error: unknown) => {
        throw new Error(`${importer} imports ${file}, which cannot be read`, { cause: error });
      });
      texts.set(file, text);
    }),
  );
  const printed = new Map<string, Module>();
  for (const [file, text] of texts)
    if (!SCRIPTS.has(path.extname(file)))
      printed.set(file, { digest: digestOfBytes(text), modules: [], packages: [] });
  const scripts = [...texts.keys()].filter((file) => !printed.has(file));
  if (scripts.length === 0) return printed;
  const { outputFiles, metafile } = await build({
    absWorkingDir: root,
    entryPoints: scripts.map((file, i) => ({ in: path.join(root, file), out: String(i) })),
    outdir: path.join(root, '.printed'),
    write: false,
    metafile: true,
    platform: 'node',
    format: 'esm',
    target: 'es2023',
    charset: 'utf8',
    minifyWhitespace: true,
    legalComments: 'none',
    // The project's own settings are left aside: an import whose names serve only as types then is no import.
    tsconfigRaw: {},
    logLevel: 'silent',
  });
  for (const { path: out, contents } of outputFiles) {
    const name = path.basename(out);
    const file = scripts[Number(path.basename(out, '.js'))];
    if (file === undefined) continue;
    const imports = (metafile.outputs[`.printed/${name}`]?.imports ?? []).map((i) => i.path);
    const beside = imports.filter((i) => i.startsWith('.'));
    printed.set(file, {
      digest: digestOfBytes(contents),
      modules: beside.map((i) => path.posix.join(path.posix.dirname(file), i)),
      packages: imports.filter((i) => !i.startsWith('.') && !isBuiltin(i)).map(packageOf),
    });
  }
  return printed;
}
