/**
 * McNemar's exact test, two-sided: the probability, were `better` and `worse` equally likely, of a split of the
 * discordant pairs at least as uneven. 1 where there is no discordant pair.
 *
 * p = min(1, 2 · Σ_{i ≤ min(b, w)} C(n, i) / 2ⁿ) with n = b + w, summed over logarithms, so that any n is safe.
 */
export function mcnemarExact(better: number, worse: number): number {
  const n = better + worse;
  const fewer = Math.min(better, worse);
  let logTerm = -n * Math.LN2;
  let tail = 0;
  for (let i = 0; i <= fewer; i += 1) {
    tail += Math.exp(logTerm);
    logTerm += Math.log((n - i) / (i + 1));
  }
  return Math.min(1, 2 * tail);
}
