import { mkdtemp, rm } from 'node:fs/promises';
import path from 'node:path';

/** A folder that is deleted, with all in it, at the end of its scope. */
export interface TemporaryFolder extends AsyncDisposable {
  readonly path: string;
}

/** Makes a new folder inside another, which is on a disk that can hold it. */
export async function temporaryFolder(inside: string): Promise<TemporaryFolder> {
  const made = await mkdtemp(path.join(inside, 'unpacked-'));
  return { path: made, [Symbol.asyncDispose]: () => rm(made, { recursive: true, force: true }) };
}
