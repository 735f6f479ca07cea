import { access, constants } from 'node:fs/promises';
import path from 'node:path';
import { cacheFolder } from '../setup/cache.mjs';
import pins from '../setup/pins.json' with { type: 'json' };

/** A program that set-up puts into the cache and that is not there. */
export class MissingBinary extends Error {
  override name = 'MissingBinary' as const;
}

/**
 * Path of a server's program. A `temporal` on PATH goes before the cached one; versitygw is the cached one alone, since
 * older ones lack what the store relies on. Throws {@link MissingBinary}.
 */
export async function findBinary(name: 'temporal' | 'versitygw'): Promise<string> {
  const onPath = name === 'temporal' ? (process.env['PATH'] ?? '').split(path.delimiter).filter(Boolean) : [];
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
    `${name} is not in ${cacheFolder()}: run \`mmedexpert setup\` (\`npm run demo\` does it too)`,
  );
}
