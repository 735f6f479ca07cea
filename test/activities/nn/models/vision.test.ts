import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { baseVariables, modelParameters } from '../../../../activities/nn/models/parameters.ts';
import type { Grid } from '../../../../activities/nn/models/position-ids.ts';
import { forwardVision } from '../../../../activities/nn/models/vision.ts';
import { visionLayout } from '../../../../activities/nn/models/vision-windows.ts';
import { sizeOf } from '../../../../activities/nn/ops/shape.ts';
import { normal, randomKey } from '../../../../activities/nn/random.ts';
import { Program } from '../../../../activities/nn/runtime/program.ts';
import type { Session } from '../../../../activities/nn/runtime/session.ts';
import { expectAllClose } from '../../../_allclose.ts';
import { tinyTowers } from './_tiny-towers.ts';

const small: Grid = { t: 1, h: 6, w: 10 };
const wide: Grid = { t: 2, h: 4, w: 12 };
const patches = ({ t, h, w }: Grid): number => t * h * w;

describe.each(Object.keys(tinyTowers))('the vision tower of %s', (family) => {
  const config = tinyTowers[family]!;
  const { patchNumbers } = config.vision;
  let session: Session;
  beforeAll(async () => {
    const program = new Program();
    for (const [name, grids] of Object.entries({
      small: [small],
      wide: [wide],
      all: [small, small, wide, small],
    }))
      program.entry(name, (t) => {
        const pixels = t.input('pixels', [grids.reduce((sum, grid) => sum + patches(grid), 0), patchNumbers]);
        return {
          outputs: {
            embeds: forwardVision(t, { base: baseVariables(t, config) }, config, { pixels, grids }),
          },
        };
      });
    session = await program.load();
    const shapes = new Map(modelParameters(config).map(({ name, shape }) => [name, shape]));
    await session.fill('base', (name) =>
      normal(randomKey(1, name), sizeOf(shapes.get(name) ?? [])).map((x) => x / 2),
    );
  });
  afterAll(() => session?.dispose());

  it('gives each of several images what it gives the image alone', () => {
    const images = [small, small, wide, small].map((grid, i) => ({
      grid,
      pixels: normal(randomKey(2, i), patches(grid) * patchNumbers),
    }));
    const alone = images.map(
      ({ grid, pixels }) => session.run(grid === small ? 'small' : 'wide', { pixels })['embeds'],
    );
    const pixels = Float32Array.from(images.flatMap((image) => [...image.pixels]));
    const { embeds } = session.run('all', { pixels });
    const expected = alone.flatMap((part) => [...(part ?? [])]);
    expect(expected.length).toBe((16 * (60 * 3 + 96)) / 4);
    expectAllClose(embeds ?? [], expected, { rtol: 1e-4, atol: 1e-4 }, 'embeddings');
  });
});

describe('windows of an image', () => {
  it('cover every patch once, the larger ones first, within the frame', () => {
    const { frames, windows } = visionLayout(tinyTowers['Qwen2.5-VL']!.vision, [small, wide]);
    expect(frames).toEqual([60, 48, 48]);
    expect(windows?.lengths).toEqual([16, 16, 8, 8, 8, 4, 16, 16, 16, 16, 16, 16]);
    expect(windows?.rows.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 156 }, (_, i) => i));
    expect(windows?.places.map((place) => windows.rows[place * 4])).toEqual(
      Array.from({ length: 39 }, (_, i) => i * 4),
    );
  });
});
