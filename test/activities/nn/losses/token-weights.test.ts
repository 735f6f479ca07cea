import { describe, expect, it } from 'vitest';
import { policyWeights, supervisedWeights } from '../../../../activities/nn/token-weights.ts';

const total = (counts: number[], weights: number[]): number =>
  counts.reduce((sum, n, i) => sum + n * (weights[i] ?? 0), 0);

describe('supervisedWeights', () => {
  it('makes each row count the same by sequence and each token the same by token', () => {
    expect(supervisedWeights([2, 8], 'sequence')).toEqual([1 / 4, 1 / 16]);
    expect(supervisedWeights([2, 8], 'token')).toEqual([1 / 10, 1 / 10]);
  });
  it.each(['sequence', 'token'] as const)('adds up to 1 over the window (%s)', (kind) => {
    expect(total([3, 5, 9], supervisedWeights([3, 5, 9], kind))).toBeCloseTo(1, 12);
  });
});

describe('policyWeights', () => {
  const counts = [2, 4, 1, 3];
  it('averages as each of TRL’s loss types does', () => {
    expect(policyWeights(counts, 'grpo', 2, 10)).toEqual([1 / 8, 1 / 16, 1 / 4, 1 / 12]);
    expect(policyWeights(counts, 'bnpo', 2, 10)).toEqual([1 / 12, 1 / 12, 1 / 8, 1 / 8]);
    expect(policyWeights(counts, 'dr_grpo', 2, 10)).toEqual([1 / 40, 1 / 40, 1 / 40, 1 / 40]);
    expect(policyWeights(counts, 'dapo', 2, 10)).toEqual([1 / 10, 1 / 10, 1 / 10, 1 / 10]);
  });
  it('keeps finite where completions are left out', () => {
    for (const kind of ['grpo', 'bnpo', 'dr_grpo', 'dapo'] as const)
      for (const w of policyWeights([0, 0], kind, 2, 10)) expect(Number.isFinite(w)).toBe(true);
  });
});
