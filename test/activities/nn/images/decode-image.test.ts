import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inflateSync } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import { decodeImage } from '../../../../activities/nn/runtime/decode-image.ts';
import golden from '../../../golden/pillow-decode.json' with { type: 'json' };

const folder = mkdtempSync(join(tmpdir(), 'decode-'));
afterAll(() => rmSync(folder, { recursive: true }));

type Case = (typeof golden.cases)[number];

const bytesOf = (name: string): Buffer =>
  Buffer.from(golden.cases.find((one) => one.name === name)!.file, 'base64');

const save = (name: string, bytes: Buffer | string): string => {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
};

const refused: Record<string, RegExp> = {
  '16 bits of grey.png': /ushort grey levels.*bring them to 8 bits/,
  '16 bits of grey.tif': /ushort grey levels.*bring them to 8 bits/,
  'floating point.tif': /float grey levels.*bring them to 8 bits/,
  'YCbCr.tif': /YCbCr without JPEG compression.*convert it to RGB/,
};

describe('decodeImage', () => {
  it.each(golden.cases.filter(({ name }) => !(name in refused)))(
    'sees what Pillow sees: $name',
    async ({ name, file, width, height, rgb }: Case) => {
      const image = await decodeImage(save(name, Buffer.from(file, 'base64')));
      expect([image.width, image.height]).toEqual([width, height]);
      const expected = inflateSync(Buffer.from(rgb, 'base64'));
      expect(image.data.length).toBe(expected.length);
      const worst = expected.reduce((most, byte, i) => Math.max(most, Math.abs(byte - image.data[i]!)), 0);
      expect(worst).toBeLessThanOrEqual(/\.(jpg|webp)$/.test(name) ? 1 : 0);
    },
  );

  it.each(Object.entries(refused))('refuses what has no certain colours: %s', async (name, reason) => {
    const path = save(name, bytesOf(name));
    await expect(decodeImage(path)).rejects.toThrow(reason);
    await expect(decodeImage(path)).rejects.toThrow(`${path}: cannot decode the image`);
  });

  it.each(['quality 92, subsampling 2.jpg', 'lossy.webp', 'rgb.png', 'plain.tif', 'tiff_lzw.tif'])(
    'refuses a file that is cut short: %s',
    async (name) => {
      const whole = bytesOf(name);
      const path = save(`cut ${name}`, whole.subarray(0, whole.length * 0.6));
      await expect(decodeImage(path)).rejects.toThrow(`${path}: cannot decode the image`);
    },
  );

  it('refuses a file that claims more pixels than an image has', async () => {
    const bomb = bytesOf('rgb.png');
    bomb.writeUInt32BE(20_000, 16);
    bomb.writeUInt32BE(20_000, 20);
    // The header's checksum.
    bomb.writeUInt32BE(crc32(bomb.subarray(12, 29)), 29);
    await expect(decodeImage(save('bomb.png', bomb))).rejects.toThrow(/bomb\.png: .*exceeds pixel limit/);
  });

  it('refuses what is no image, and what is not there, by path', async () => {
    await expect(decodeImage(save('text.png', 'hello'))).rejects.toThrow(/text\.png: cannot decode/);
    const drawing = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>';
    await expect(decodeImage(save('drawing.png', drawing))).rejects.toThrow(
      /drawing\.png: .*svg is not read/,
    );
    await expect(decodeImage(join(folder, 'none.png'))).rejects.toThrow(/none\.png: cannot decode/);
  });
});

function crc32(bytes: Uint8Array): number {
  let crc = -1;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}
