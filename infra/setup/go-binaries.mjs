import { access, constants, mkdir } from 'node:fs/promises';
import path from 'node:path';
import { exists, makeFolder } from './cache.mjs';
import { run, SetupError, step } from './processes.mjs';

/** Names the environment variable that says a server is there already. */
const INSTEAD = { temporal: 'TEMPORAL_ADDRESS', versitygw: 'S3_ENDPOINT' };

const onPath = async (name) => {
  for (const folder of (process.env.PATH ?? '').split(path.delimiter).filter(Boolean)) {
    const found = await access(path.join(folder, name), constants.X_OK).then(
      () => true,
      () => false,
    );
    if (found) return true;
  }
  return false;
};

/** Builds a pinned Go program into the cache, its module checked against the pinned sum. */
async function build(name, { package: target, module, version, sum }, cache) {
  const note = name === 'temporal' ? ', 2 to 3 minutes' : ', about 1 minute';
  await step(`${name} ${version} (built from source${note})`, async () => {
    const { Sum: found } = JSON.parse(await run('go', ['mod', 'download', '-json', `${module}@${version}`]));
    if (found !== sum)
      throw new SetupError(
        `${module} ${version} has sum ${found}, not the pinned ${sum}: it is not what was released`,
      );
    await mkdir(path.join(cache, 'servers'), { recursive: true });
    await makeFolder(path.join(cache, 'servers', `${name}-${version}`), (folder) =>
      run('go', ['install', '-trimpath', `${target}@${version}`], {
        env: { ...process.env, GOBIN: folder, GOFLAGS: '-buildvcs=false' },
      }),
    );
  });
}

/** Which servers have to be built: neither named by the environment, nor on PATH, nor in the cache. */
export async function missingServers(cache, pins) {
  const missing = [];
  for (const [name, { version }] of Object.entries(pins.go)) {
    const there =
      Boolean(process.env[INSTEAD[name]]) ||
      (await onPath(name)) ||
      (await exists(path.join(cache, 'servers', `${name}-${version}`, name)));
    if (!there) missing.push(name);
  }
  return missing;
}

export async function ensureServerPrograms(cache, pins) {
  for (const name of await missingServers(cache, pins)) await build(name, pins.go[name], cache);
}
