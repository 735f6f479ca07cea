import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';

const ROOT = path.resolve(import.meta.dirname, '..');

async function digestOf(folders: readonly string[], wanted: RegExp): Promise<string> {
  const lists = await Promise.all(
    folders.map(async (folder) => {
      const names = await readdir(path.join(ROOT, folder), { recursive: true });
      return names.filter((name) => wanted.test(name)).map((name) => path.join(folder, name));
    }),
  );
  const files = [...lists.flat().toSorted(), 'package-lock.json'];
  const hash = createHash('sha256');
  for (const [i, bytes] of (
    await Promise.all(files.map((file) => readFile(path.join(ROOT, file))))
  ).entries())
    hash.update(`${files[i]}\0${bytes.length}\0`).update(bytes);
  return hash.digest('hex').slice(0, 16);
}

/** Digest of what the workflow sandbox runs: an open run of another version cannot be gone on with. */
export const workflowVersion = (): Promise<string> => digestOf(['workflows', 'schemas'], /\.ts$/);

/** Digest of everything that a worker may load: a worker of another version is restarted. */
export const workerVersion = (): Promise<string> =>
  digestOf(['workflows', 'schemas', 'artifacts', 'activities', 'infra'], /\.(ts|mjs|json|md)$/);
