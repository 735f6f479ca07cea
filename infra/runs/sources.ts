import { createHash } from 'node:crypto';
import { cp, mkdir, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { putSource } from '../../artifacts/source-cache.ts';
import type { ArtifactStore } from '../../artifacts/store.ts';
import { mediaTypeOf, type ArtifactKind } from '../../schemas/artifact-kind.ts';
import { caseSources, type PipelineConfig } from '../../schemas/config.ts';
import type { Reference } from '../../schemas/reference.ts';
import type { Home } from '../home.ts';

/** A source that is neither a file or folder nor a name in the store. */
export class UnknownSource extends Error {
  override name = 'UnknownSource' as const;
}

/** Root of the project, which relative paths of a preset start from where the working directory does not have them. */
const PROJECT = path.resolve(import.meta.dirname, '../..');

const findPath = async (given: string): Promise<string | undefined> => {
  for (const candidate of [path.resolve(given), path.resolve(PROJECT, given)])
    if (await stat(candidate).catch(() => undefined)) return candidate;
  return undefined;
};

/**
 * A folder that holds what a path names and nothing else: the path itself, or for a file a copy of it in a folder of its
 * own, which is renewed when the file changes.
 */
async function folderOf(found: string, staging: string): Promise<string> {
  const source = await stat(found);
  if (source.isDirectory()) return found;
  const folder = path.join(staging, createHash('sha256').update(found).digest('hex').slice(0, 16));
  const copy = path.join(folder, path.basename(found));
  const there = await stat(copy).catch(() => undefined);
  if (there?.size === source.size && Math.abs(there.mtimeMs - source.mtimeMs) < 1) return folder;
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  await cp(found, copy, { preserveTimestamps: true });
  return folder;
}

interface Located {
  readonly key: string;
  readonly path: string;
  readonly kind: ArtifactKind;
  readonly synthetic: boolean;
}

const located = (config: PipelineConfig): Record<string, Located> => ({
  ...Object.fromEntries(
    Object.entries(caseSources(config)).map(([name, source]): [string, Located] => [
      name,
      {
        key: `sources.${name.replace(/^benchmark\./, 'benchmarks.')}.path`,
        path: source.path,
        kind: 'source',
        synthetic: source.format === 'clinic',
      },
    ]),
  ),
  base: {
    key: 'base.path',
    path: config.base.path,
    kind: config.base.kind === 'pretrain' ? 'source' : 'checkpoint',
    synthetic: config.base.kind === 'pretrain',
  },
});

/**
 * Puts every source of a configuration into the store, or finds it there by digest or ref, and returns their references.
 * A file becomes an artifact of that one file. What was put before and has not changed since is not read again.
 */
export async function putSources(
  store: ArtifactStore,
  config: PipelineConfig,
  home: Home,
): Promise<Record<string, Reference>> {
  const references: Record<string, Reference> = {};
  for (const [name, source] of Object.entries(located(config))) {
    const found = await findPath(source.path);
    if (found !== undefined) {
      const { kind, synthetic } = source;
      const folder = await folderOf(found, home.staging);
      const { reference } = await putSource(store, folder, { kind, synthetic }, home.sourceCache);
      references[name] = reference;
      continue;
    }
    const digest = await store.resolve(source.path).catch((error: unknown) => {
      throw new UnknownSource(
        `${source.key}: ${source.path} is neither a file or folder nor an artifact in the store`,
        { cause: error },
      );
    });
    const { kind, size } = await store.manifest(digest);
    references[name] = { mediaType: mediaTypeOf(kind), digest, size };
  }
  return references;
}
