/** How far the next-token distributions of two models lie apart. Legend: T tokens, V vocabulary. */
import type { LogitDifference } from '../../schemas/merge-report.ts';

const logSumExp = (row: Float32Array, most: number): number => {
  let sum = 0;
  for (let i = 0; i < row.length; i++) sum += Math.exp(row[i]! - most);
  return most + Math.log(sum);
};

/** Place of the largest number, the first of equals. */
const largest = (row: Float32Array): number => {
  let place = 0;
  for (let i = 1; i < row.length; i++) if (row[i]! > row[place]!) place = i;
  return place;
};

/**
 * Compares logits [T, V] with those of a reference, in float64: the largest difference, the mean over tokens of
 * KL(reference ‖ other) in nats, and the share of tokens at which both find the same next token likeliest.
 */
export const compareLogits = (
  reference: Float32Array,
  other: Float32Array,
  vocabulary: number,
): Omit<LogitDifference, 'from' | 'to'> => {
  const tokens = reference.length / vocabulary;
  let [maxAbs, divergence, same] = [0, 0, 0];
  for (let token = 0; token < tokens; token++) {
    const [p, q] = [reference, other].map((x) => x.subarray(token * vocabulary, (token + 1) * vocabulary));
    const [top, otherTop] = [largest(p!), largest(q!)];
    const [pTotal, qTotal] = [logSumExp(p!, p![top]!), logSumExp(q!, q![otherTop]!)];
    if (top === otherTop) same++;
    for (let i = 0; i < vocabulary; i++) {
      const [a, b] = [p![i]!, q![i]!];
      maxAbs = Math.max(maxAbs, Math.abs(a - b));
      divergence += Math.exp(a - pTotal) * (a - pTotal - (b - qTotal));
    }
  }
  return { maxAbs, meanKl: Math.max(0, divergence / tokens), sameArgmax: same / tokens };
};
