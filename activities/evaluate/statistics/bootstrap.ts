/** Seeded bootstrap over cases: the answers to one case stand or fall together, so that cases are drawn, not answers. */
import { randomKey, uniform } from '../../nn/random.ts';
import type { Interval } from './wilson.ts';

/** The answers of one case: their number and the sum of what is measured on them. */
export interface Cluster {
  readonly sum: number;
  readonly count: number;
}

/**
 * `resamples` draws of `cases` cases with replacement, as rows of case indices [resamples, cases]. Draw r depends on the
 * seed and r alone. All comparisons of a report use the same draws.
 */
export const drawCases = (cases: number, resamples: number, seed: number): Int32Array[] =>
  Array.from({ length: resamples }, (_, r) =>
    Int32Array.from(uniform(randomKey(seed, 'bootstrap', r), cases), (u) => Math.floor(u * cases)),
  );

/**
 * Percentile interval, 95 %, of Σ sum / Σ count over the drawn cases. Drawn cases without answers add nothing; a draw of
 * none but such cases is left out. `draws` are of as many cases as there are clusters.
 *
 * Reference: Efron and Tibshirani 1993, §13.3; clusters as in Field and Welsh 2007, JRSS-B 69:369.
 */
export function bootstrapInterval(clusters: readonly Cluster[], draws: readonly Int32Array[]): Interval {
  const means: number[] = [];
  for (const draw of draws) {
    if (draw.length !== clusters.length)
      throw new RangeError(`a draw of ${draw.length} cases was given for ${clusters.length} cases`);
    let sum = 0;
    let count = 0;
    for (const index of draw) {
      sum += clusters[index]!.sum;
      count += clusters[index]!.count;
    }
    if (count > 0) means.push(sum / count);
  }
  if (means.length === 0) return { low: Number.NEGATIVE_INFINITY, high: Number.POSITIVE_INFINITY };
  means.sort((a, b) => a - b);
  return { low: quantile(means, 0.025), high: quantile(means, 0.975) };
}

/** Quantile of ascending values by linear interpolation (numpy's default). */
function quantile(ascending: readonly number[], q: number): number {
  const at = q * (ascending.length - 1);
  const below = ascending[Math.floor(at)]!;
  return below + (ascending[Math.ceil(at)]! - below) * (at - Math.floor(at));
}
