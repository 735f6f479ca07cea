/** Weighted sum of vectors: task arithmetic, Σ wᵢτᵢ (Ilharco et al. 2023, https://arxiv.org/abs/2212.04089). */
export const weightedSum = (vectors: readonly Float32Array[], weights: readonly number[]): Float32Array => {
  const merged = new Float32Array(vectors[0]?.length ?? 0);
  for (let i = 0; i < merged.length; i++) {
    let sum = 0;
    for (let v = 0; v < vectors.length; v++) sum += weights[v]! * vectors[v]![i]!;
    merged[i] = sum;
  }
  return merged;
};

/** The weights add up to 0, so that there is no mean. */
export class ZeroWeights extends Error {
  override readonly name = 'ZeroWeights';
}

/** Weighted mean of vectors, Σ wᵢτᵢ / Σ wᵢ: with equal weights the paper's "Naive" merge. */
export const weightedMean = (vectors: readonly Float32Array[], weights: readonly number[]): Float32Array => {
  const total = weights.reduce((sum, w) => sum + w, 0);
  if (total === 0) throw new ZeroWeights('the weights of a linear merge add up to 0');
  return weightedSum(
    vectors,
    weights.map((w) => w / total),
  );
};
