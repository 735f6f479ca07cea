import { describe, expect, it } from 'vitest';
import { openProcessor } from '../../../../activities/nn/checkpoint/processor.ts';
import { openSafetensors } from '../../../../activities/nn/checkpoint/safetensors-file.ts';
import { imagePatches } from '../../../../activities/nn/images/patches.ts';
import { parseImageSettings } from '../../../../activities/nn/images/settings.ts';
import { decodeImage } from '../../../../activities/nn/runtime/decode-image.ts';
import { nodeFolder } from '../../../../activities/nn/runtime/files.ts';
import { hasShared, shared } from '../../../_shared.ts';

const qwen = (extra: object = {}) =>
  parseImageSettings({ min_pixels: 3136, max_pixels: 1003520, ...extra }, 'p.json');

describe.skipIf(!hasShared).each(['qwen2_vl', 'qwen2_5_vl'])('the images of %s', (family) => {
  it.each([0, 1, 2, 3, 4])(
    'become the pixel values and grid of the Pillow processor: image %i',
    async (i) => {
      const folder = nodeFolder(shared(`golden/${family}`));
      const { images } = await openProcessor(folder);
      const expected = await openSafetensors(folder, 'expected.safetensors');
      const { pixelValues, grid } = imagePatches(await decodeImage(shared(`golden/image-${i}.png`)), images);
      const wanted = await expected.read(`image${i}.pixel_values`);
      const wantedGrid = await expected.readData(`image${i}.grid_thw`);
      await expected.close();
      expect([grid.t, grid.h, grid.w]).toEqual(Array.from(wantedGrid as BigInt64Array, Number));
      expect(pixelValues.length).toBe(wanted.length);
      let worst = 0;
      for (let k = 0; k < wanted.length; k++) worst = Math.max(worst, Math.abs(wanted[k]! - pixelValues[k]!));
      expect(worst).toBe(0);
    },
  );
});

describe('patches', () => {
  it('of a white square are what transformers.js’ test says', () => {
    const white = { width: 224, height: 224, data: new Uint8Array(224 * 224 * 3).fill(255) };
    const { pixelValues, grid } = imagePatches(white, qwen());
    expect(grid).toEqual({ t: 1, h: 16, w: 16 });
    expect(pixelValues.length).toBe(256 * 1176);
    const mean = pixelValues.reduce((sum, x) => sum + x, 0) / pixelValues.length;
    expect(mean).toBeCloseTo(2.050372362, 6);
  });

  it('of one embedding follow each other, and numbers of a patch go channel, frame, row, column', () => {
    // Grey level = index of the patch in reading order; red and blue are offset by 100 and 200.
    const [width, height] = [56, 28];
    const data = new Uint8Array(width * height * 3);
    for (let y = 0; y < height; y++)
      for (let x = 0; x < width; x++)
        for (let c = 0; c < 3; c++)
          data[(y * width + x) * 3 + c] = Math.floor(y / 14) * 4 + Math.floor(x / 14) + c * 100;
    const settings = { ...qwen({ min_pixels: 1 }), mean: [0, 0, 0], std: [1, 1, 1] } as const;
    const { pixelValues, grid } = imagePatches({ width, height, data }, settings);
    expect(grid).toEqual({ t: 1, h: 2, w: 4 });
    const at = (row: number, column: number) => Math.round(pixelValues[row * 1176 + column]! * 255);
    expect([0, 1, 2, 3, 4, 5, 6, 7].map((row) => at(row, 0))).toEqual([0, 1, 4, 5, 2, 3, 6, 7]);
    expect([0, 196, 392, 588, 784, 980].map((column) => at(1, column))).toEqual([1, 1, 101, 101, 201, 201]);
  });
});
