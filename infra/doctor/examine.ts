import { resolveConfig } from '../config/resolve.ts';
import { homeFolders } from '../home.ts';
import { cacheFolder } from '../setup/cache.mjs';
import { loadTemporalConfig } from '../temporal-config.ts';
import { fail, type Finding, ok, wordsOf } from './finding.ts';
import { examineAttributes, examineDisk, examineHardware } from './machine.ts';
import { examineNative } from './native.ts';
import { examineS3, examineTemporal } from './services.ts';

async function examineConfig(): Promise<Finding> {
  try {
    await loadTemporalConfig();
    await resolveConfig({});
    return ok('configuration', 'temporal.config.ts and the default preset are valid');
  } catch (error) {
    return fail(
      'configuration',
      wordsOf(error),
      'correct what is named; `mmedexpert config schema` says what may be',
    );
  }
}

/** Examines everything that the project relies on, one thing after the other. */
export async function* examine(): AsyncGenerator<Finding> {
  const home = homeFolders();
  yield* examineNative();
  yield* examineHardware();
  yield await examineDisk('disk of the cache', cacheFolder(), 3);
  yield await examineDisk('disk of the state', home.root, 5);
  yield await examineAttributes(home.root);
  const config = await examineConfig();
  yield config;
  if (config.state !== 'ok') return;
  yield await examineTemporal();
  yield await examineS3();
}
