import type { ProgramName } from './prerequisites.mjs';

interface Survey {
  readonly kind: 'cpu' | 'cuda';
  /** Whether each part is there, undamaged. */
  readonly packages: boolean;
  readonly library: boolean;
  readonly binding: boolean;
  /** Servers that have to be built. */
  readonly servers: readonly string[];
  /** Programs that making the missing parts takes. */
  readonly needs: readonly ProgramName[];
}

/** What has still to be made; `thorough` hashes every file of the cache instead of trusting sizes and times. */
export declare function survey(
  root: string,
  cache: string,
  options?: { readonly thorough?: boolean },
): Promise<Survey>;
