import { access, constants } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import pins from '../setup/pins.json' with { type: 'json' };

/** A program that set-up puts into the cache and that is not there. */
export class MissingBinary extends Error {
  override name = 'MissingBinary' as const;
}

/** The cache folder that set-up fills: `MMEDEXPERT_CACHE`, else `mmedexpert` in the user's cache directory. */
export function cacheFolder(env: NodeJS.ProcessEnv = process.env): string {
  if (env['MMEDEXPERT_CACHE']) return path.resolve(env['MMEDEXPERT_CACHE']);
  const base =
    process.platform === 'darwin'
      ? path.join(os.homedir(), 'Library', 'Caches')
      : (env['XDG_CACHE_HOME'] ?? path.join(os.homedir(), '.cache'));
  return path.join(base, 'mmedexpert');
}

/** Path of a server's program: one on PATH goes before the cached one. Throws {@link MissingBinary}. */
export async function findBinary(name: 'temporal' | 'versitygw'): Promise<string> {
  const onPath = (process.env['PATH'] ?? '').split(path.delimiter).filter(Boolean);
  for (const folder of [...onPath, path.join(cacheFolder(), 'servers', `${name}-${pins.go[name].version}`)]) {
    const file = path.join(folder, name);
    try {
      await access(file, constants.X_OK);
      return file;
    } catch {
      continue;
    }
  }
  throw new MissingBinary(
    `${name} is neither on PATH nor in ${cacheFolder()}: run \`npm run demo\` or \`mmedexpert setup\``,
  );
}
