import { describe, expect, it } from 'vitest';
import { positionIds } from '../../../../activities/nn/models/position-ids.ts';

const config = { imageTokenId: 9, vision: { mergeSize: 2 } };

describe('M-RoPE positions', () => {
  it('go on behind the larger side of an image', () => {
    const { ids, next } = positionIds([1, 9, 9, 9, 2], [{ t: 1, h: 2, w: 6 }], config);
    expect([...ids]).toEqual([0, 1, 1, 1, 4, 0, 1, 1, 1, 4, 0, 1, 2, 3, 4]);
    expect(next).toBe(5);
  });

  it('keep neighbouring images apart', () => {
    const grid = { t: 1, h: 4, w: 2 };
    const { ids } = positionIds([9, 9, 9, 9], [grid, grid], config);
    expect([...ids.subarray(4, 8)]).toEqual([0, 1, 2, 3]);
  });

  it('count frames on the first axis', () => {
    const { ids, next } = positionIds([9, 9, 9, 1], [{ t: 3, h: 2, w: 2 }], config);
    expect([...ids]).toEqual([0, 1, 2, 3, 0, 0, 0, 3, 0, 0, 0, 3]);
    expect(next).toBe(4);
  });

  it('are refused where image tokens and images differ', () => {
    expect(() => positionIds([1, 9], [], config)).toThrow('1 image tokens, but 0 images of 0 embeddings');
    expect(() => positionIds([1], [{ t: 1, h: 2, w: 2 }], config)).toThrow(
      '0 image tokens, but 1 images of 1 embeddings',
    );
    expect(() => positionIds([9, 1, 9], [{ t: 1, h: 2, w: 4 }], config)).toThrow(
      'its image tokens end at token 1',
    );
  });
});
