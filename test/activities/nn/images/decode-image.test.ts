import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, describe, expect, it } from 'vitest';
import { decodeImage } from '../../../../activities/nn/runtime/decode-image.ts';

const folder = mkdtempSync(join(tmpdir(), 'decode-'));
afterAll(() => rmSync(folder, { recursive: true }));

const save = async (
  name: string,
  pixels: number[],
  channels: 1 | 2 | 3 | 4,
  width: number,
  orientation = 1,
) => {
  const path = join(folder, name);
  const height = pixels.length / channels / width;
  await sharp(Uint8Array.from(pixels), { raw: { width, height, channels } })
    .withMetadata({ orientation })
    .toFile(path);
  return path;
};

describe('decodeImage', () => {
  it('lays transparent pixels on white', async () => {
    const path = await save('alpha.png', [255, 0, 0, 255, 0, 0, 0, 0, 0, 100, 200, 128], 4, 3);
    expect([...(await decodeImage(path)).data]).toEqual([255, 0, 0, 255, 255, 255, 127, 177, 227]);
  });

  it('spreads grey over three channels', async () => {
    expect([...(await decodeImage(await save('grey.png', [0, 90, 255], 1, 3))).data]).toEqual([
      0, 0, 0, 90, 90, 90, 255, 255, 255,
    ]);
  });

  it('does not turn an image by its EXIF orientation', async () => {
    const path = await save('turned.png', [1, 2, 3, 4, 5, 6], 3, 2, 6);
    expect(await decodeImage(path)).toMatchObject({ width: 2, height: 1 });
  });

  it('refuses what is cut short or no image, by path', async () => {
    const path = await save(
      'noise.png',
      Array.from({ length: 3000 }, (_, i) => (i * 7919) % 256),
      3,
      50,
    );
    const whole = readFileSync(path);
    writeFileSync(path, whole.subarray(0, whole.length >> 1));
    await expect(decodeImage(path)).rejects.toThrow(/noise\.png: cannot decode/);
    const text = join(folder, 'text.png');
    writeFileSync(text, 'hello');
    await expect(decodeImage(text)).rejects.toThrow(/text\.png: cannot decode/);
    await expect(decodeImage(join(folder, 'none.png'))).rejects.toThrow(/none\.png: cannot decode/);
  });
});
