/**
 * DARE: drop entries of a vector at random and scale up the rest, so that its expectation stays.
 *
 * Reference: Yu et al. 2024, https://arxiv.org/abs/2311.03099. Kept entries are divided by the density, as the paper
 * and MergeLM have it (mergekit restores the vector's L1 norm instead). Which entries stay is a function of seed,
 * vector, tensor and index alone.
 */
import { randomKey, uniform } from '../nn/random.ts';

/** Random numbers that are drawn at a time. */
const BLOCK = 1 << 16;

/** Drops and rescales one tensor [n] in place. */
export const dropAndRescale = (
  tensor: Float32Array,
  density: number,
  seed: number,
  vector: string,
  tensorName: string,
): void => {
  if (density >= 1) return;
  const key = randomKey(seed, 'dare', vector, tensorName);
  for (let from = 0; from < tensor.length; from += BLOCK) {
    const draws = uniform(key, Math.min(BLOCK, tensor.length - from), from);
    for (let i = 0; i < draws.length; i++)
      tensor[from + i] = draws[i]! < density ? tensor[from + i]! / density : 0;
  }
};
