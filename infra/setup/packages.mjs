import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { locked } from './lock.mjs';
import { run, step } from './processes.mjs';

const readPackages = async (file) => JSON.parse(await readFile(file, 'utf8')).packages;

/**
 * Whether `node_modules` holds what the lockfile says: npm notes what it has installed when it is done with it. What is
 * optional may be absent, since most of it is for other platforms.
 */
export async function packagesAreThere(root) {
  const wanted = await readPackages(path.join(root, 'package-lock.json'));
  const there = await readPackages(path.join(root, 'node_modules/.package-lock.json')).catch(() => undefined);
  if (there === undefined) return false;
  return Object.entries(wanted).every(([place, { version, integrity, optional, link }]) => {
    if (!place.startsWith('node_modules/') || link) return true;
    const found = there[place];
    if (found === undefined) return optional === true;
    return found.version === version && found.integrity === integrity;
  });
}

/** Installs the packages of the lockfile where they are not there. */
export async function ensurePackages(root, cache) {
  if (await packagesAreThere(root)) return;
  const name = createHash('sha256').update(root).digest('hex').slice(0, 16);
  await locked(path.join(cache, 'locks', `npm-${name}`), async () => {
    if (await packagesAreThere(root)) return;
    await step('npm packages', () =>
      run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: root }),
    );
  });
}
