/**
 * DARE: drop entries of a vector at random and scale up the rest, so that its expectation stays.
 *
 * Reference: Yu et al. 2024, https://arxiv.org/abs/2311.03099. Kept entries are divided by the density, as the paper
 * and MergeLM have it (mergekit restores the vector's L1 norm instead). Which entries stay is a function of seed,
 * vector, tensor and index alone.
 */
import { randomKey, uniform, type RandomKey } from '../nn/random.ts';

/** What the drops of one vector in one tensor are drawn with. */
export const dropKey = (seed: number, vector: string, tensor: string): RandomKey =>
  randomKey(seed, 'dare', vector, tensor);

/** Drops and rescales entries `from`, `from` + 1, … of a tensor in place. */
export const dropAndRescale = (
  entries: Float32Array,
  density: number,
  key: RandomKey,
  from: number,
): void => {
  if (density >= 1) return;
  const draws = uniform(key, entries.length, from);
  for (let i = 0; i < draws.length; i++) entries[i] = draws[i]! < density ? entries[i]! / density : 0;
};
