/**
 * TIES: of trimmed task vectors, elect each entry's sign and average those that agree with it (eq. 6).
 *
 * Reference: Yadav et al. 2023, https://arxiv.org/abs/2306.01708 §3. The published implementations differ; this is
 * mergekit's variant, which its golden files pin:
 * 1. Trimming is per tensor unless asked for across the whole vector (the authors' code).
 * 2. The sign is that of Σ wᵢτᵢ, weights included; a sum of 0 elects +.
 * 3. The mean is Σ wᵢτᵢ / Σ wᵢ over the agreeing entries, so that a common factor of the weights cancels; 0 where
 *    none agrees.
 */

/** Elects signs and averages. Vectors [n], already trimmed, and their weights; the result is [n]. */
export const electAndAverage = (
  vectors: readonly Float32Array[],
  weights: readonly number[],
): Float32Array => {
  const merged = new Float32Array(vectors[0]?.length ?? 0);
  for (let i = 0; i < merged.length; i++) {
    let sum = 0;
    for (let v = 0; v < vectors.length; v++) sum += weights[v]! * vectors[v]![i]!;
    const plus = sum >= 0;
    let total = 0;
    let weight = 0;
    for (let v = 0; v < vectors.length; v++) {
      const weighted = weights[v]! * vectors[v]![i]!;
      if (plus ? !(weighted > 0) : !(weighted < 0)) continue;
      total += weighted;
      weight += weights[v]!;
    }
    merged[i] = weight === 0 ? total : total / weight;
  }
  return merged;
};
