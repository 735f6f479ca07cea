/**
 * Weights of label tokens: what turns a sum over tokens into the average that a setting names.
 * `counts` are the label tokens of each row of one optimizer step; the answer is the weight of every token of each row.
 */

const sum = (xs: readonly number[]): number => xs.reduce((a, b) => a + b, 0);

/** Supervised training: `sequence`, the mean over rows of each row's token mean; `token`, the mean over all tokens. */
export const supervisedWeights = (counts: readonly number[], normalisation: 'sequence' | 'token'): number[] =>
  counts.map((n) => (normalisation === 'token' ? 1 / sum(counts) : 1 / (n * counts.length)));

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
  const tokensOfGroup = (i: number): number => {
    const start = Math.floor(i / group) * group;
    return Math.max(1, sum(counts.slice(start, start + group)));
  };
  const all = Math.max(1, sum(counts));
  const weight = {
    grpo: (n: number) => 1 / (Math.max(1, n) * rows),
    bnpo: (_: number, i: number) => 1 / (tokensOfGroup(i) * Math.ceil(rows / group)),
    dr_grpo: () => 1 / (rows * maxNewTokens),
    dapo: () => 1 / all,
  };
  return counts.map(weight[aggregation]);
};
