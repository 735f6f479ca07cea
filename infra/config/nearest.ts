import { closest, distance } from 'fastest-levenshtein';

/** The candidate that `word` was most likely meant to be; undefined where none is near. */
export const nearest = (word: string, candidates: readonly string[]): string | undefined => {
  if (candidates.length === 0) return undefined;
  const byLowerCase = new Map(candidates.map((candidate) => [candidate.toLowerCase(), candidate]));
  const best = closest(word.toLowerCase(), [...byLowerCase.keys()]);
  const allowed = word.length < 3 ? 1 : Math.max(2, Math.ceil(word.length / 3));
  return distance(word.toLowerCase(), best) > allowed ? undefined : byLowerCase.get(best);
};
