import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import * as path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { Reference } from '../schemas/reference.ts';
import { digestOf } from './canonical.ts';
import { type FoundFile, scanFolder } from './folder-scan.ts';
import type { ArtifactStore, Description, TransferOptions } from './store.ts';

/** Local file: what a source folder was published as, with the stamps (inode, size, times) of its files then. */
const SourceCache = z.strictObject({
  version: z.literal(1),
  sources: z.record(z.string(), z.strictObject({ stamps: z.string(), reference: Reference })),
});
type SourceCache = z.infer<typeof SourceCache>;

// A file written within one tick of the file system's clock after its stamp was taken could keep the stamp.
const SETTLED_MS = 50;

/**
 * Publishes a source folder, or finds out that nothing in it changed since it was published (by path, size, times
 * and inode of each file) and that the store still has it: then nothing is read, hashed or sent (`read` false).
 */
export async function putSource(
  store: ArtifactStore,
  folder: string,
  description: Description,
  cacheFile: string,
  options: TransferOptions = {},
): Promise<{ reference: Reference; read: boolean }> {
  const absolute = path.resolve(folder);
  const name = digestOf({ store: store.id, folder: absolute, ...describe(description) });
  const stamps = stampsOf(await scanFolder(absolute));
  const known = (await readCache(cacheFile)).sources[name];
  if (known?.stamps === stamps && (await store.missing(known.reference.digest, options)).length === 0)
    return { reference: known.reference, read: false };
  await settle(await scanFolder(absolute), options.signal);
  const before = stampsOf(await scanFolder(absolute));
  const reference = await store.putFolder(absolute, description, options);
  if (stampsOf(await scanFolder(absolute)) === before)
    await remember(cacheFile, name, { stamps: before, reference });
  return { reference, read: true };
}

const describe = ({ kind, synthetic, caseIds }: Description) => ({
  kind,
  synthetic: synthetic === true,
  caseIds: caseIds ?? null,
});

const stampsOf = (files: readonly FoundFile[]): string =>
  digestOf(files.map(({ path, stamp }) => [path, stamp]));

async function settle(files: readonly FoundFile[], signal: AbortSignal | undefined): Promise<void> {
  const newest = Math.max(0, ...files.map((file) => file.changedMs));
  const wait = Math.min(SETTLED_MS, newest + SETTLED_MS - Date.now());
  if (wait > 0) await sleep(wait, undefined, signal ? { signal } : {});
}

/** A cache that cannot be read counts as empty: all it costs is reading the sources again. */
async function readCache(file: string): Promise<SourceCache> {
  try {
    return SourceCache.parse(JSON.parse(await readFile(file, 'utf8')));
  } catch {
    return { version: 1, sources: {} };
  }
}

async function remember(file: string, name: string, source: SourceCache['sources'][string]): Promise<void> {
  const { sources } = await readCache(file);
  const temporary = `${file}.${process.pid}.new`;
  await mkdir(path.dirname(file), { recursive: true });
  await writeFile(temporary, JSON.stringify({ version: 1, sources: { ...sources, [name]: source } }));
  await rename(temporary, file);
}
