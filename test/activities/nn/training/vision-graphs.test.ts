import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { roomOf } from '../../../../activities/nn/models/padded-vision.ts';
import { baseVariables, modelParameters } from '../../../../activities/nn/models/parameters.ts';
import type { Grid } from '../../../../activities/nn/models/position-ids.ts';
import { sizeOf } from '../../../../activities/nn/ops/shape.ts';
import type { Trace } from '../../../../activities/nn/ops/trace.ts';
import { normal, randomKey } from '../../../../activities/nn/random.ts';
import { Program } from '../../../../activities/nn/runtime/program.ts';
import type { Session } from '../../../../activities/nn/runtime/session.ts';
import { addVisionEntries, createEmbedder } from '../../../../activities/nn/training/image-embeds.ts';
import {
  embedImage,
  imageFeeds,
  planVisionGraphs,
} from '../../../../activities/nn/training/vision-graphs.ts';
import type { VisionGraph } from '../../../../activities/nn/training/vision-graphs.ts';
import { expectAllClose } from '../../../_allclose.ts';
import { tinyTowers } from '../models/_tiny-towers.ts';

const grid = (h: number, w: number, t = 1): Grid => ({ t, h, w });
const patches = ({ t, h, w }: Grid): number => t * h * w;
const graphName = ({ t, h, w }: Grid): string => `${t}x${h}x${w}`;

describe.each(Object.keys(tinyTowers))('a graph with room for several grids of %s', (family) => {
  const config = tinyTowers[family]!;
  const { vision } = config;
  // The last is long enough for its queries to be taken in blocks.
  const grids = [grid(6, 10), grid(2, 2), grid(4, 12, 2), grid(8, 8), grid(26, 22)];
  const largest = (of: 'patches' | 'windows'): number =>
    Math.max(...grids.map((one) => roomOf(vision, one)[of]));
  const room = { patches: largest('patches') + 8, windows: largest('windows') };
  const padded: VisionGraph = { name: 'room', room };
  const exact = grids.map((one) => ({ name: graphName(one), room: roomOf(vision, one), grid: one }));
  let session: Session;
  beforeAll(async () => {
    const program = new Program();
    for (const graph of [padded, ...exact])
      program.entry(graph.name, (t) => ({
        outputs: { embeds: embedImage(t, { base: baseVariables(t, config) }, config, graph) },
      }));
    session = await program.load();
    const shapes = new Map(modelParameters(config).map(({ name, shape }) => [name, shape]));
    await session.fill('base', (name) =>
      normal(randomKey(1, name), sizeOf(shapes.get(name) ?? [])).map((x) => x / 2),
    );
  });
  afterAll(() => session?.dispose());

  it.each(grids.map((one, i) => [graphName(one), one, i] as const))(
    'gives an image of %s what its exact graph gives',
    (_, one, i) => {
      const pixelValues = normal(randomKey(2, i), patches(one) * vision.patchNumbers);
      const embeds = (graphs: readonly VisionGraph[]) => {
        const { graph, feeds, embeddings } = imageFeeds(vision, graphs, { pixelValues, grid: one });
        return (session.run(graph.name, feeds)['embeds'] as Float32Array).slice(
          0,
          embeddings * vision.outDim,
        );
      };
      const expected = embeds(exact);
      expect(expected.length).toBe((patches(one) / 4) * vision.outDim);
      expectAllClose(embeds([padded]), expected, { rtol: 1e-5, atol: 1e-5 }, 'embeddings');
    },
  );

  it('does not let patches that are left over touch the image', () => {
    const [one] = grids as [Grid];
    const pixelValues = normal(randomKey(3), patches(one) * vision.patchNumbers);
    const { graph, feeds, embeddings } = imageFeeds(vision, [padded], { pixelValues, grid: one });
    const noisy = Float32Array.from(feeds['pixels']!);
    noisy.fill(7, patches(one) * vision.patchNumbers);
    const run = (pixels: Float32Array) =>
      (session.run(graph.name, { ...feeds, pixels })['embeds'] as Float32Array).slice(
        0,
        embeddings * vision.outDim,
      );
    expect(run(noisy)).toEqual(run(Float32Array.from(feeds['pixels']!)));
  });

  it('is refused an image that is larger', () => {
    const large = grid(40, 40);
    const pixelValues = new Float32Array(patches(large) * vision.patchNumbers);
    expect(() => imageFeeds(vision, [padded], { pixelValues, grid: large })).toThrow(
      'no graph of the vision tower takes an image of grid 1x40x40',
    );
  });
});

describe('an embedder of images of many grids', () => {
  const config = tinyTowers['Qwen2-VL']!;
  const { patchNumbers } = config.vision;
  const grids = new Map<string, Grid>(
    Array.from({ length: 9 }, (_, i) => [`image-${i}`, grid(2 + 2 * i, 4 + 2 * (i % 4))] as const),
  );
  const load = (name: string) => {
    const own = grids.get(name)!;
    const pixelValues = normal(randomKey(4, name), patches(own) * patchNumbers);
    return Promise.resolve({ pixelValues, grid: own });
  };

  it('gives each image, by few graphs, the embeddings of its own grid', async () => {
    const program = new Program();
    const base = (t: Trace) => ({ base: baseVariables(t, config) });
    const vision = addVisionEntries(program, config, base, grids.values());
    const exact = [...grids.values()].map((one) =>
      addVisionEntries(program, config, base, [one], `exact-${graphName(one)}`),
    );
    const session = await program.load();
    const shapes = new Map(modelParameters(config).map(({ name, shape }) => [name, shape]));
    await session.fill('base', (name) => normal(randomKey(1, name), sizeOf(shapes.get(name) ?? [])));
    expect(vision.graphs.length).toBeLessThanOrEqual(6);
    const embedder = createEmbedder(session, load, vision);
    for (const [i, name] of [...grids.keys()].entries()) {
      const expected = await createEmbedder(session, load, exact[i]!).embed(name);
      const tolerance = { rtol: 1e-4, atol: 1e-4 };
      expectAllClose(await embedder.embed(name), expected, tolerance, name);
    }
    session.dispose();
  });
});

describe('planVisionGraphs', () => {
  const { vision } = tinyTowers['Qwen2.5-VL']!;

  it('gives each grid an exact graph where there are few', () => {
    const grids = [grid(4, 4), grid(4, 6), grid(4, 4)];
    expect(planVisionGraphs(vision, grids)).toEqual([
      { name: '1x4x4', room: { patches: 16, windows: 1 }, grid: grid(4, 4) },
      { name: '1x4x6', room: { patches: 24, windows: 2 }, grid: grid(4, 6) },
    ]);
    expect(planVisionGraphs(vision, [])).toEqual([]);
  });

  const many = Array.from({ length: 300 }, (_, i) => grid(2 + 2 * (i % 17), 2 + 2 * ((i * 7) % 19)));

  it('gives hundreds of grids few graphs, with room for each image', () => {
    const graphs = planVisionGraphs(vision, many);
    expect(graphs.length).toBeLessThanOrEqual(6);
    expect(new Set(graphs.map(({ name }) => name)).size).toBe(graphs.length);
    for (const one of many) {
      const { graph } = imageFeeds(vision, graphs, {
        pixelValues: new Float32Array(patches(one) * vision.patchNumbers),
        grid: one,
      });
      expect(graph.room.patches).toBeGreaterThanOrEqual(patches(one));
    }
  });

  it('takes fewer where sizes are alike, and more where that wastes less', () => {
    const alike = Array.from({ length: 20 }, (_, i) => grid(60, 60 + 2 * (i % 10)));
    expect(planVisionGraphs(vision, alike).length).toBeLessThanOrEqual(3);
    const room = (graphs: readonly VisionGraph[]) =>
      many.reduce((sum, one) => {
        const pixelValues = new Float32Array(patches(one) * vision.patchNumbers);
        return sum + imageFeeds(vision, graphs, { pixelValues, grid: one }).graph.room.patches;
      }, 0);
    expect(room(planVisionGraphs(vision, many, 6))).toBeLessThan(room(planVisionGraphs(vision, many, 2)));
  });
});
