import { existsSync } from 'node:fs';
import { resolve } from 'node:path';

const root = resolve(import.meta.dirname, '../../shared');

/** A path in the folder of reference material beside the checkout: golden files, checks, data. */
export const shared = (path: string): string => resolve(root, path);

/** False where the reference material is absent; tests that need it are skipped then. */
export const hasShared = existsSync(shared('golden'));
