import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { resizeBicubic, type RgbImage } from '../../../../activities/nn/images/resize.ts';

import golden from '../../../golden/pillow-resize.json' with { type: 'json' };

/** The image that the golden file's script draws. */
const drawn = (width: number, height: number): RgbImage => {
  const data = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++)
      for (let c = 0; c < 3; c++) {
        const noise = Number((BigInt(x) * 2654435761n) ^ BigInt((y * 40503) ^ (c * 977))) / 128;
        data[(y * width + x) * 3 + c] =
          (Math.floor(x / 9) + Math.floor(y / 7)) % 2 === 1 ? Math.floor(noise) % 256 : 255 * ((x + y) % 2);
      }
  return { width, height, data };
};

const grey = (width: number, height: number, level: (x: number, y: number) => number): RgbImage => {
  const data = new Uint8Array(width * height * 3);
  for (let i = 0; i < width * height; i++)
    data.fill(level(i % width, Math.floor(i / width)), i * 3, i * 3 + 3);
  return { width, height, data };
};

describe('resizeBicubic', () => {
  it.each(golden.cases)('equals Pillow bit for bit from $from to $to', ({ from, to, sha256 }) => {
    const { data } = resizeBicubic(drawn(from[0]!, from[1]!), to[0]!, to[1]!);
    expect(createHash('sha256').update(data).digest('hex')).toBe(sha256);
  });

  it('leaves an image of the same size alone', () => {
    const image = grey(5, 3, (x, y) => x * 10 + y);
    expect(resizeBicubic(image, 5, 3).data).toEqual(image.data);
  });

  it('keeps a flat image flat at any size', () => {
    const { data } = resizeBicubic(
      grey(37, 23, () => 77),
      28,
      56,
    );
    expect(new Set(data)).toEqual(new Set([77]));
    expect(data.length).toBe(28 * 56 * 3);
  });

  it('clips the overshoot beside an edge instead of wrapping it', () => {
    const { data } = resizeBicubic(
      grey(8, 1, (x) => (x < 4 ? 0 : 255)),
      32,
      1,
    );
    const line = Array.from({ length: 32 }, (_, x) => data[x * 3]!);
    expect(line.slice(0, 12)).toEqual(Array.from({ length: 12 }, () => 0));
    expect(line.slice(20)).toEqual(Array.from({ length: 12 }, () => 255));
  });

  it('filters rows and columns alike', () => {
    const image = grey(20, 20, (x, y) => (x * 13 + y * 29) % 256);
    const turned = grey(20, 20, (x, y) => (y * 13 + x * 29) % 256);
    const a = resizeBicubic(image, 9, 20).data;
    const b = resizeBicubic(turned, 20, 9).data;
    for (let y = 0; y < 20; y++)
      for (let x = 0; x < 9; x++) expect(a[(y * 9 + x) * 3]).toBe(b[(x * 20 + y) * 3]);
  });
});
