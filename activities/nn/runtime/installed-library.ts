import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { processorLanes } from '../lanes.ts';

/** The TensorFlow library that set-up has put beside its binding. */
export interface InstalledLibrary {
  readonly kind: 'cpu' | 'cuda';
  /** Of what set-up wrote of it. */
  readonly digest: string;
}

let found: InstalledLibrary | undefined;

/** Undefined where set-up has not run. */
export function installedLibrary(): InstalledLibrary | undefined {
  if (found !== undefined) return found;
  const binding = new URL(import.meta.resolve('@tensorflow/tfjs-node-gpu/package.json'));
  try {
    const text = readFileSync(new URL('lib/napi-v8/library.json', binding), 'utf8');
    const { kind } = JSON.parse(text) as Pick<InstalledLibrary, 'kind'>;
    found = { kind, digest: createHash('sha256').update(text).digest('hex').slice(0, 16) };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  return found;
}

/** Lanes of a graph for the library that is installed. */
export const installedLanes = (): number => (installedLibrary()?.kind === 'cuda' ? 1 : processorLanes);
