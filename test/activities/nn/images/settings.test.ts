import { describe, expect, it } from 'vitest';
import { parseImageSettings } from '../../../../activities/nn/images/settings.ts';

const limits = (json: object) => {
  const { minPixels, maxPixels } = parseImageSettings(json, 'p.json');
  return [minPixels, maxPixels];
};

describe('parseImageSettings', () => {
  it('prefers min_pixels and max_pixels, falls back to size, then to the class’s defaults', () => {
    const size = { shortest_edge: 100, longest_edge: 200 };
    expect(limits({ min_pixels: 1, max_pixels: 2, size })).toEqual([1, 2]);
    expect(limits({ size })).toEqual([100, 200]);
    expect(limits({})).toEqual([3136, 1003520]);
  });

  it('caps max_pixels where asked to', () => {
    expect(parseImageSettings({ max_pixels: 12845056 }, 'p.json', 401408).maxPixels).toBe(401408);
    expect(() => parseImageSettings({ min_pixels: 3136 }, 'p.json', 100)).toThrow(
      'min_pixels 3136 is over max_pixels 100',
    );
  });

  it('refuses unknown keys and steps that are not implemented, by file and key', () => {
    expect(() => parseImageSettings({ max_pixel: 5 }, 'p.json')).toThrow(/p\.json.*max_pixel/s);
    expect(() => parseImageSettings({ resample: 2 }, 'p.json')).toThrow(/only 3 \(bicubic\)/);
    expect(() => parseImageSettings({ do_resize: false }, 'p.json')).toThrow(/do_resize/);
    expect(() => parseImageSettings(undefined, 'p.json')).toThrow(/p\.json/);
  });
});
