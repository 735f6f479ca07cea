import { describe, expect, it } from 'vitest';
import { DRAWING_SIDE, drawSign, SHAPE_COUNT, shapeMask } from '../../../activities/clinic/drawing.ts';
import { randomKey } from '../../../activities/nn/random.ts';
import { recogniseSign } from '../../../infra/demo/recognise.ts';

const grey = (rgb: Uint8Array) => rgb.filter((_, i) => i % 3 === 0);

describe('drawings', () => {
  it('are 56 × 56 RGB, the same for the same key and others for another', () => {
    const drawn = drawSign(2, randomKey(1, 'a'));
    expect(drawn).toHaveLength(DRAWING_SIDE * DRAWING_SIDE * 3);
    expect(drawn).toEqual(drawSign(2, randomKey(1, 'a')));
    expect(drawn).not.toEqual(drawSign(2, randomKey(1, 'b')));
  });

  it('are told apart by template matching in at least 97 of 100', () => {
    const count = 160;
    let right = 0;
    for (let i = 0; i < count; i++)
      if (recogniseSign(grey(drawSign(i % SHAPE_COUNT, randomKey(7, i)))) === i % SHAPE_COUNT) right++;
    expect(right / count).toBeGreaterThanOrEqual(0.97);
  });

  it('have as many shapes as the bank has signs, and refuse others', () => {
    expect(SHAPE_COUNT).toBe(8);
    expect(() => shapeMask(8, { x: 28, y: 28, size: 14, strength: 1 })).toThrow(/no sign 8/);
  });
});
