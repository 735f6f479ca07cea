import { access, chmod, constants, rm } from 'node:fs/promises';
import path from 'node:path';
import { isWhole, makeFolder, scratchOf, seal } from './cache.mjs';
import { run, SetupError, step } from './processes.mjs';

/**
 * The environment variable that says a server is there already, whether the program of that name on PATH will do, and
 * what a build takes. Any `temporal` will; versitygw before 1.8.0 lets several writers of one key win, and a program
 * does not tell reliably which version it is.
 */
const SERVERS = {
  temporal: {
    instead: 'TEMPORAL_ADDRESS',
    fromPath: true,
    note: 'built from source, 2 to 3 minutes on 2 cores',
  },
  versitygw: {
    instead: 'S3_ENDPOINT',
    fromPath: false,
    note: 'built from source, about 1 minute on 2 cores',
  },
};

const folderOf = (cache, name, { version }) => path.join(cache, 'servers', `${name}-${version}`);

async function onPath(name, env) {
  for (const folder of (env.PATH ?? '').split(path.delimiter).filter(Boolean)) {
    const found = await access(path.join(folder, name), constants.X_OK).then(
      () => true,
      () => false,
    );
    if (found) return true;
  }
  return false;
}

/** Which servers have to be built: neither named by the environment, nor whole in the cache, nor on PATH. */
export async function missingServers(cache, pins, { thorough = false, env = process.env } = {}) {
  const missing = [];
  for (const [name, pin] of Object.entries(pins.go)) {
    if (env[SERVERS[name].instead]) continue;
    if (await isWhole(folderOf(cache, name, pin), { thorough })) continue;
    if (SERVERS[name].fromPath && (await onPath(name, env))) continue;
    missing.push(name);
  }
  return missing;
}

/** Builds a pinned Go program into the cache; its module is checked against the pinned sum, its needs by Go itself. */
async function build(name, { package: target, module, version, sum }, cache) {
  const env = { ...process.env, GOFLAGS: '-buildvcs=false', GOWORK: 'off' };
  const outside = { cwd: scratchOf(cache), env };
  await step(`${name} ${version} (${SERVERS[name].note})`, async () => {
    const told = await run('go', ['mod', 'download', '-json', `${module}@${version}`], outside);
    const { Sum: found } = JSON.parse(told);
    if (found !== sum)
      throw new SetupError(
        `${module} ${version} has sum ${found}, not the pinned ${sum}: what the module proxy gives is not what was released`,
      );
    await makeFolder(cache, folderOf(cache, name, { version }), async (folder) => {
      await run('go', ['install', '-trimpath', '-ldflags=-s -w', `${target}@${version}`], {
        ...outside,
        env: { ...env, GOBIN: folder },
      });
      await chmod(path.join(folder, name), 0o755);
      await seal(folder, [name], { module, server: version, sum });
    });
  });
}

/** Builds the servers that are missing, one after the other, since each build takes all cores. */
export async function ensureServers(cache, pins, missing) {
  for (const name of missing) {
    await rm(folderOf(cache, name, pins.go[name]), { recursive: true, force: true });
    await build(name, pins.go[name], cache);
  }
}
