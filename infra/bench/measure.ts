import type { ModelConfig } from '../../activities/nn/models/config.ts';
import type { ResolvedCompute } from '../../schemas/config/compute.ts';
import { randomKey, uniform } from '../../activities/nn/random.ts';

/** What a benchmark found out. */
export interface Measured {
  /** What products with weights were computed in. */
  readonly arithmetic: ResolvedCompute['arithmetic'];
  readonly tokensPerSecond: number;
  readonly secondsPerStep: number;
  /** The most memory this process has held, loading included. */
  readonly peakMemoryBytes: number;
}

/** Tokens of text, none with a meaning of its own: special ones are the last of a vocabulary. */
export const randomTokens = (config: ModelConfig, count: number, name: string): Int32Array => {
  const special = [
    config.imageTokenId,
    config.videoTokenId,
    config.visionStartTokenId,
    ...config.eosTokenIds,
  ];
  const words = Math.max(1, Math.min(...special));
  return Int32Array.from(uniform(randomKey(0, 'bench', name), count), (u) => Math.floor(u * words));
};
