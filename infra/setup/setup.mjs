import { mkdir, readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { accelerator, pinnedLibrary } from './accelerator.mjs';
import { bindingIsThere, ensureBinding } from './binding.mjs';
import { cacheFolder, scratchOf } from './cache.mjs';
import { locked } from './lock.mjs';
import { ensurePackages, packagesAreThere } from './packages.mjs';
import { missingPrograms } from './prerequisites.mjs';
import { endRunning, SetupError } from './processes.mjs';
import { ensureServers, missingServers } from './servers.mjs';
import { ensureLibrary, libraryIsThere } from './tensorflow.mjs';

const readPins = async () => JSON.parse(await readFile(new URL('./pins.json', import.meta.url), 'utf8'));

/**
 * What has still to be made, and which programs of this machine that takes.
 *
 * @param options.thorough hash every file of the cache instead of trusting sizes and times
 */
export async function survey(root, cache, options = {}) {
  const pins = await readPins();
  const kind = accelerator();
  const pin = pinnedLibrary(pins, kind);
  const [packages, library, binding, servers] = await Promise.all([
    packagesAreThere(root),
    libraryIsThere(cache, kind, pin, options),
    bindingIsThere(root, cache, kind, pin, options),
    missingServers(cache, pins, options),
  ]);
  const needs = [
    ...(library ? [] : ['python3', 'pip']),
    ...(binding ? [] : ['g++']),
    ...(servers.length > 0 ? ['go'] : []),
  ];
  return { pins, kind, pin, packages, library, binding, servers, needs };
}

/** Does these at the same time; when one fails, the programs of the others are ended before the failure is told. */
async function together(works) {
  let failed;
  await Promise.all(
    works.map((work) =>
      work.catch((error) => {
        failed ??= error;
        endRunning();
      }),
    ),
  );
  if (failed) throw failed;
}

const tellOfHolder = (holder) =>
  process.stderr.write(`setup: waiting for another set-up (process ${holder}) …\n`);

/** Installs and builds what is missing; where nothing is, it ends within a few milliseconds and says nothing. */
export async function setUp(root, options = {}) {
  const cache = cacheFolder();
  const { needs, packages, library, binding, servers } = await survey(root, cache, options);
  if (packages && library && binding && servers.length === 0) return;
  const missing = missingPrograms(needs);
  if (missing.length > 0)
    throw new SetupError(`this machine lacks what set-up needs\n  ${missing.join('\n  ')}`);
  await ensurePackages(root, cache);
  await locked(
    path.join(cache, 'locks', 'native'),
    async () => {
      // What an earlier set-up left when it was killed.
      await rm(scratchOf(cache), { recursive: true, force: true });
      await mkdir(scratchOf(cache), { recursive: true });
      try {
        const { pins, kind, pin, servers: toBuild } = await survey(root, cache, options);
        // The download waits for the network, the builds for the processor: they go together.
        await together([
          ensureLibrary(cache, kind, pin, options).then(() => ensureBinding(root, cache, kind, pin, options)),
          ensureServers(cache, pins, toBuild),
        ]);
      } finally {
        await rm(scratchOf(cache), { recursive: true, force: true });
      }
    },
    tellOfHolder,
  );
}
