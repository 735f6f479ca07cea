import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { locked } from './lock.mjs';
import { run, step } from './processes.mjs';

const markerOf = (root) => path.join(root, 'node_modules', '.mmedexpert-lockfile');

const lockfileDigest = async (root) =>
  createHash('sha256')
    .update(await readFile(path.join(root, 'package-lock.json')))
    .digest('hex');

/** Whether `node_modules` is what the lockfile says, as far as the last install through here tells. */
export const packagesAreThere = async (root) =>
  (await readFile(markerOf(root), 'utf8').catch(() => '')) === (await lockfileDigest(root));

/** Installs the packages of the lockfile where `node_modules` is not made from it. */
export async function ensurePackages(root, cache) {
  if (await packagesAreThere(root)) return;
  const name = createHash('sha256').update(root).digest('hex').slice(0, 16);
  await locked(path.join(cache, 'locks', `npm-${name}`), async () => {
    if (await packagesAreThere(root)) return;
    const digest = await lockfileDigest(root);
    await step('npm packages', () =>
      run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: root }),
    );
    await writeFile(markerOf(root), digest);
  });
}
