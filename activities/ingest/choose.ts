/** Which of the cases that a file holds are taken, and what they may be used for. */
import type { Case } from '../../schemas/case.ts';
import { permutation, randomKey } from '../nn/random.ts';

/** A record that is not taken as a case. */
export interface Reject {
  /** Where it stands, as `file, record 3`. */
  readonly place: string;
  readonly reason: string;
}

/**
 * Puts a case under the split of its source. A case that may not be trained on is no training case, whatever the source
 * is named as; a case to evaluate on is never trained on.
 */
export function placeCase(one: Case, split: 'train' | 'test'): Case | Reject {
  if (split === 'train' && !one.mayTrain)
    return { place: one.id, reason: 'mayTrain is false: it belongs to a benchmark' };
  return { ...one, split, mayTrain: split === 'train' };
}

/** `limit` of the cases, drawn by the seed, in their own order; all where there is no limit. */
export function drawSubset<T>(cases: readonly T[], limit: number | undefined, seed: number): T[] {
  if (limit === undefined || limit >= cases.length) return [...cases];
  const chosen = permutation(randomKey(seed, 'subset'), cases.length).slice(0, limit).sort();
  return [...chosen].map((i) => cases[i]!);
}
