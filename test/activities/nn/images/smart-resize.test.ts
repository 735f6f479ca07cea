import { describe, expect, it } from 'vitest';
import { smartResize } from '../../../../activities/nn/images/smart-resize.ts';

const resize = (height: number, width: number, max = 28 * 28 * 1280) => {
  const size = smartResize(height, width, 28, 56 * 56, max);
  return [size.height, size.width];
};

describe('smartResize', () => {
  it('gives the sizes of transformers’ own tests', () => {
    expect(resize(561, 278)).toEqual([560, 280]);
    expect(resize(1024, 1024)).toEqual([980, 980]);
  });

  it('rounds halves to even as Python does', () => {
    expect(resize(70, 70)).toEqual([56, 56]);
    expect(resize(42, 98)).toEqual([56, 112]);
    expect(resize(28, 126)).toEqual([28, 112]);
  });

  it('enlarges what is too small, also below one patch', () => {
    expect(resize(28, 28)).toEqual([56, 56]);
    expect(resize(10, 10)).toEqual([56, 56]);
    expect(resize(10, 1500)).toEqual([28, 700]);
  });

  it('keeps the area within its limit', () => {
    const [h = 0, w = 0] = resize(4000, 3000, 401_408);
    expect(h * w).toBeLessThanOrEqual(401_408);
    expect([h % 28, w % 28]).toEqual([0, 0]);
  });

  it('refuses an aspect ratio over 200', () => {
    expect(() => resize(10, 2001)).toThrow('aspect ratio 200.1 is over 200');
    expect(resize(10, 2000)[0]).toBe(28);
  });
});
