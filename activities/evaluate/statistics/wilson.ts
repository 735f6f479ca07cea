/** The normal distribution's 97.5 % point. */
const Z_95 = 1.959963984540054;

/** Bounds of an interval. */
export interface Interval {
  readonly low: number;
  readonly high: number;
}

/**
 * Wilson's score interval, 95 %, of a proportion of `right` among `total` independent trials, without continuity
 * correction. It stays within 0 and 1 and is meaningful at 0 and at all right; with no trials it is all of [0, 1].
 *
 * Reference: Wilson 1927; Newcombe 1998, Statistics in Medicine 17:857, method 3.
 */
export function wilson(right: number, total: number): Interval {
  if (total === 0) return { low: 0, high: 1 };
  const p = right / total;
  const z2 = Z_95 ** 2;
  const centre = p + z2 / (2 * total);
  const half = Z_95 * Math.sqrt((p * (1 - p)) / total + z2 / (4 * total ** 2));
  const scale = 1 + z2 / total;
  return {
    low: right === 0 ? 0 : (centre - half) / scale,
    high: right === total ? 1 : (centre + half) / scale,
  };
}
