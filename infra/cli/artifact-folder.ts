import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { connectStore } from '../connect.ts';

/** A folder to read from; what was fetched for it is deleted at the end of its scope. */
export interface ArtifactFolder extends AsyncDisposable {
  readonly path: string;
}

/** The folder that a command line names: a path, else a digest, a digest's beginning or a ref of the store. */
export async function artifactFolder(name: string): Promise<ArtifactFolder> {
  if (existsSync(name)) return { path: resolve(name), [Symbol.asyncDispose]: () => Promise.resolve() };
  const store = await connectStore().catch((error: unknown) => {
    throw new Error(`${name}: there is no such folder, and no store to look it up in`, { cause: error });
  });
  const scratch = await mkdtemp(join(tmpdir(), 'mmedexpert-artifact-'));
  const path = join(scratch, 'artifact');
  try {
    await store.fetch(await store.resolve(name), path);
  } catch (error) {
    await rm(scratch, { recursive: true, force: true });
    throw error;
  } finally {
    store.close();
  }
  return { path, [Symbol.asyncDispose]: () => rm(scratch, { recursive: true, force: true }) };
}
