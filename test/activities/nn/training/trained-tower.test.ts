import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ModelConfig } from '../../../../activities/nn/models/config.ts';
import { roomOf } from '../../../../activities/nn/models/padded-vision.ts';
import { baseVariables } from '../../../../activities/nn/models/parameters.ts';
import { embeddingsOf, positionIds } from '../../../../activities/nn/models/position-ids.ts';
import type { Grid } from '../../../../activities/nn/models/position-ids.ts';
import type { HostArray } from '../../../../activities/nn/ops/dtype.ts';
import { normal, randomKey } from '../../../../activities/nn/random.ts';
import { Program } from '../../../../activities/nn/runtime/program.ts';
import type { Session } from '../../../../activities/nn/runtime/session.ts';
import { adapterLayout, adapterPairs } from '../../../../activities/nn/training/adapter.ts';
import type { BatchShape } from '../../../../activities/nn/training/batch-shapes.ts';
import { addSupervisedEntry, entryOf } from '../../../../activities/nn/training/entries.ts';
import type { TrainedModel } from '../../../../activities/nn/training/entries.ts';
import { unflatten } from '../../../../activities/nn/training/flat-layout.ts';
import { createEmbedder } from '../../../../activities/nn/training/image-embeds.ts';
import { imageIndexOf, packRows } from '../../../../activities/nn/training/rows.ts';
import type { TrainingRow } from '../../../../activities/nn/training/rows.ts';
import { addTowerEntries, seeImages } from '../../../../activities/nn/training/trained-tower.ts';
import { addUpdateEntry, createTrainer } from '../../../../activities/nn/training/trainer.ts';
import type { Batch, Trainer } from '../../../../activities/nn/training/trainer.ts';
import { planVisionGraphs } from '../../../../activities/nn/training/vision-graphs.ts';
import type { VisionGraph } from '../../../../activities/nn/training/vision-graphs.ts';
import { OptimizerSettings } from '../../../../schemas/optimizer-settings.ts';
import { hasShared } from '../../../_shared.ts';
import { openGolden } from './_golden.ts';
import type { Golden } from './_golden.ts';

const TARGETS = ['language', 'vision', 'merger'] as const;
const [RANK, SCALE, LABELS] = [4, 2, 5];

// In windows of 4 × 4 patches: cut at both edges, smaller than one, two frames.
const grids = new Map<string, Grid>([
  ['6x10', { t: 1, h: 6, w: 10 }],
  ['2x2', { t: 1, h: 2, w: 2 }],
  ['2x4x6', { t: 2, h: 4, w: 6 }],
]);
const patches = ({ t, h, w }: Grid): number => t * h * w;

/** What a padded graph is fed. */
interface Feeds {
  readonly pixels: Float32Array;
  readonly places: Int32Array;
  readonly frames: Int32Array;
  readonly slots?: Int32Array;
  readonly filled?: Int32Array;
  readonly homes?: Int32Array;
}

describe.skipIf(!hasShared).each(['qwen2_vl', 'qwen2_5_vl'] as const)(
  'a trained tower with room for several grids, on the golden %s',
  (family) => {
    let golden: Golden;
    let config: ModelConfig;
    let session: Session;
    let trainer: Trainer;
    let model: TrainedModel;
    let room: VisionGraph;
    let exact: readonly VisionGraph[];
    /** Of a batch of any one of the rows. */
    let shape: BatchShape;

    /** Words, the image's tokens and an answer that is learned. */
    const row = (name: string): TrainingRow => {
      const image = Array.from(
        { length: embeddingsOf(grids.get(name)!, config.vision.mergeSize) },
        () => config.imageTokenId,
      );
      const [start, end] = [config.visionStartTokenId, config.visionEndTokenId];
      const prompt = [17, 230, start, ...image, end, 404, 99];
      const ids = Int32Array.from([...prompt, ...Array.from({ length: LABELS }, (_, i) => 50 + 37 * i)]);
      return {
        id: name,
        ids,
        positions: positionIds(ids, [grids.get(name)!], config).ids,
        targets: Int32Array.from({ length: LABELS }, (_, i) => prompt.length + i - 1),
        imageTokens: image.length,
      };
    };
    const load = (name: string) => {
      const grid = grids.get(name)!;
      const pixelValues = normal(randomKey(5, name), patches(grid) * config.vision.patchNumbers);
      return Promise.resolve({ pixelValues, grid });
    };
    const batch = async (name: string, graphs: readonly VisionGraph[]): Promise<Batch> => {
      const own = row(name);
      const embedder = createEmbedder(session, load, { name: 'tower', config, graphs });
      const size = shape.images * config.text.hiddenSize;
      const place = { seed: 0, step: 0, batch: 0 };
      const seen = await seeImages({ model, session, load, graphs, embedder }, [name], size, place);
      const feeds = {
        ...packRows([own], shape),
        ...seen.feeds,
        imageIndex: imageIndexOf([own], shape, config.imageTokenId),
        weights: new Float32Array(LABELS).fill(1 / LABELS),
      };
      return { entry: entryOf(shape), feeds, ...(seen.behind === undefined ? {} : { behind: seen.behind }) };
    };

    beforeAll(async () => {
      golden = await openGolden(family);
      ({ config } = golden);
      const layout = adapterLayout(config, RANK, TARGETS);
      model = {
        config,
        layout,
        trainsTower: true,
        parameters: (t, trained) => ({
          base: baseVariables(t, config),
          lora: adapterPairs(config, trained, SCALE, TARGETS),
        }),
      };
      exact = planVisionGraphs(config.vision, grids.values());
      const rooms = [...grids.values()].map((grid) => roomOf(config.vision, grid));
      const most = (of: 'patches' | 'windows'): number => Math.max(...rooms.map((one) => one[of]));
      // Space for twenty patches more, of which a window takes sixteen.
      const windows = family === 'qwen2_vl' ? 0 : most('windows') + 2;
      room = { name: 'room', room: { patches: most('patches') + 20, windows } };
      const program = new Program();
      const rows = [...grids.keys()].map(row);
      const length = Math.max(...rows.map(({ ids }) => ids.length));
      const images = Math.max(...rows.map(({ imageTokens }) => imageTokens));
      shape = { rows: 1, length, tokens: length, labels: LABELS, images };
      addSupervisedEntry(program, model, shape);
      addTowerEntries(program, model, [...exact, room]);
      const settings = OptimizerSettings.parse({ learningRate: 1e-3, schedule: 'constant' });
      addUpdateEntry(program, layout, settings);
      session = await program.load();
      await session.fill('base', (name) => golden.base.get(name)!);
      trainer = createTrainer(session, layout, settings, 1);
      await trainer.start({ values: normal(randomKey(6), layout.size).map((x) => x / 20) });
    });
    afterAll(async () => {
      session?.dispose();
      await golden?.close();
    });

    it.each([...grids.keys()])('has the loss and gradients of the exact graph: %s', async (name) => {
      const [alone, padded] = [
        await trainer.gradientOf([await batch(name, exact)]),
        await trainer.gradientOf([await batch(name, [room])]),
      ];
      expect(Math.abs(padded.loss - alone.loss)).toBeLessThan(1e-5);
      const found = unflatten(model.layout, padded.gradient);
      for (const [tensor, { data }] of unflatten(model.layout, alone.gradient)) {
        const largest = Math.max(...data.map(Math.abs));
        expect(largest, tensor).toBeGreaterThan(1e-2);
        const worst = Math.max(...data.map((x, i) => Math.abs(x - found.get(tensor)!.data[i]!)));
        expect(worst / largest, tensor).toBeLessThan(5e-5);
      }
    });

    /** The same image with other numbers wherever nothing of it lies: pixels, places, windows. */
    const disturbed = (name: string, feeds: Feeds): Record<string, HostArray> => {
      const count = patches(grids.get(name)!);
      const { patchNumbers } = config.vision;
      const pixels = Float32Array.from(feeds.pixels);
      const noise = normal(randomKey(7, name), pixels.length);
      for (let i = count * patchNumbers; i < pixels.length; i++) pixels[i] = 5 * noise[i]!;
      const P = feeds.frames.length;
      const places = feeds.places.map((place, i) => (i % P < count ? place : 3 + (i % 5)));
      const { slots, filled, homes } = feeds;
      if (slots === undefined || filled === undefined || homes === undefined)
        return { ...feeds, pixels, places };
      const L = slots.length / filled.length;
      return {
        ...feeds,
        pixels,
        places,
        slots: slots.map((patch, i) => (i % L < filled[Math.floor(i / L)]! ? patch : (7 * i) % P)),
        homes: homes.map((home, i) => (i < count ? home : (11 * i) % slots.length)),
      };
    };

    it.each([...grids.keys()])('is not touched by what is left over, to the last bit: %s', async (name) => {
      const plain = await batch(name, [room]);
      const outcomeOf = async (change: (feeds: Feeds) => Record<string, HostArray>) => {
        const behind: Batch['behind'] = (outputs) =>
          plain.behind!(outputs).map(({ entry, feeds }) => ({
            entry,
            feeds: { ...feeds, ...change(feeds as unknown as Feeds) },
          }));
        const [{ feeds }] = behind({ cotangent: plain.feeds['images']! }) as [Batch];
        const { cotangent: _, ...image } = feeds;
        const { embeds } = session.run('tower/room', image);
        const { gradient } = await trainer.gradientOf([{ ...plain, behind }]);
        return { embeds: embeds!.slice(0, row(name).imageTokens * config.vision.outDim), gradient };
      };
      const calm = await outcomeOf(() => ({}));
      expect(await outcomeOf((feeds) => disturbed(name, feeds))).toEqual(calm);
      // A patch that is left over is seen where it is said to belong to the image.
      const count = patches(grids.get(name)!);
      const claimed = await outcomeOf(({ frames }) => ({
        frames: frames.map((frame, i) => (i === count ? 0 : frame)),
      }));
      expect(claimed.embeds).not.toEqual(calm.embeds);
      expect(claimed.gradient).not.toEqual(calm.gradient);
    });
  },
);
