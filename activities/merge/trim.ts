/**
 * Trimming: all but the largest entries of a vector become 0.
 *
 * Exactly k entries stay: those of largest magnitude, and of equal ones those that come first, so that the result does
 * not depend on a sort's whims. The k-th magnitude is found by counting bit patterns, which order float32 magnitudes
 * as integers: one pass over the upper half of the bits and one over the lower.
 */
import { LOWER_BINS } from './kernels/magnitudes.ts';

/** What stays: magnitudes above `bits`, and the first `ties` of the `equal` ones that have just these bits. */
export interface Threshold {
  readonly bits: number;
  readonly ties: number;
  readonly equal: number;
}

/** Where the entry of a rank from above lies: its bin, how many entries lie in bins above, and in its own. */
export interface Place {
  readonly bin: number;
  readonly above: number;
  readonly inside: number;
}

/** From the top bin down: the bin in which the k-th entry lies. */
export const placeOf = (counts: Int32Array, k: number): Place => {
  let above = 0;
  let bin = counts.length - 1;
  while (above + counts[bin]! < k) above += counts[bin--]!;
  return { bin, above, inside: counts[bin]! };
};

/** The threshold that keeps `k` ≥ 1 entries, from the place by upper halves and the counts of lower halves in that bin. */
export const thresholdOf = (upper: Place, lower: Int32Array, k: number): Threshold => {
  const { bin, above, inside } = placeOf(lower, k - upper.above);
  return { bits: upper.bin * LOWER_BINS + bin, ties: k - upper.above - above, equal: inside };
};

/** How many of `entries` a density keeps: ⌊density · entries⌋, at least one. */
export const keptOf = (density: number, entries: number): number =>
  Math.max(1, Math.floor(density * entries));
