/**
 * Weights of label tokens: what turns a sum over tokens into the average that a setting names.
 * `counts` are the label tokens of each row of one optimizer step; the answer is the weight of every token of each row.
 */

/** Supervised training: `sequence`, the mean over rows of each row's token mean; `token`, the mean over all tokens. */
export const supervisedWeights = (
  counts: readonly number[],
  normalisation: 'sequence' | 'token',
): number[] => {
  const all = counts.reduce((a, b) => a + b, 0);
  return counts.map((n) => (normalisation === 'token' ? 1 / all : 1 / (n * counts.length)));
};

/**
 * Policy training, by TRL's names. A row with 0 tokens (a completion left out) still counts as a completion.
 * `bnpo` takes a query's group as its local batch.
 */
export const policyWeights = (
  counts: readonly number[],
  aggregation: 'grpo' | 'bnpo' | 'dr_grpo' | 'dapo',
  group: number,
  maxNewTokens: number,
): number[] => {
  const rows = counts.length;
  const sum = (xs: readonly number[]): number => xs.reduce((a, b) => a + b, 0);
  switch (aggregation) {
    case 'grpo':
      return counts.map((n) => 1 / (Math.max(1, n) * rows));
    case 'bnpo':
      return counts.map((_, i) => {
        const start = Math.floor(i / group) * group;
        return 1 / (Math.max(1, sum(counts.slice(start, start + group))) * Math.ceil(rows / group));
      });
    case 'dr_grpo':
      return counts.map(() => 1 / (rows * maxNewTokens));
    case 'dapo': {
      const all = Math.max(1, sum(counts));
      return counts.map(() => 1 / all);
    }
  }
};
