import path from 'node:path';
import { cacheFolder } from './setup/cache.mjs';

/** Where measured speeds of this machine are kept; every process on it takes the same answer. */
export const probesFolder = (): string => path.join(cacheFolder(), 'probes');
