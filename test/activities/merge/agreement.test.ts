import { describe, expect, it } from 'vitest';
import { compareLogits } from '../../../activities/merge/agreement.ts';

describe('comparing logits', () => {
  const reference = Float32Array.of(2, 0, 1, 0, 3, 0);

  it('finds no difference where there is none, and none that softmax does not see', () => {
    expect(compareLogits(reference, reference, 3)).toEqual({ maxAbs: 0, meanKl: 0, sameArgmax: 1 });
    const shifted = compareLogits(
      reference,
      reference.map((x) => x + 5),
      3,
    );
    expect(shifted).toMatchObject({ maxAbs: 5, sameArgmax: 1 });
    expect(shifted.meanKl).toBeLessThan(1e-12);
  });

  it('gives the largest difference, the mean KL divergence in nats and the share of equal choices', () => {
    const other = Float32Array.of(2, 0, 1, 0, 3, 4);
    const { maxAbs, meanKl, sameArgmax } = compareLogits(reference, other, 3);
    const softmax = (logits: number[]): number[] => {
      const total = logits.reduce((sum, x) => sum + Math.exp(x), 0);
      return logits.map((x) => Math.exp(x) / total);
    };
    const [p, q] = [softmax([0, 3, 0]), softmax([0, 3, 4])];
    const divergence = p!.reduce((sum, x, i) => sum + x * Math.log(x / q![i]!), 0);
    expect(maxAbs).toBe(4);
    expect(meanKl).toBeCloseTo(divergence / 2, 12);
    expect(sameArgmax).toBe(0.5);
  });
});
