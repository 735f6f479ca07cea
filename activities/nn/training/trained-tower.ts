/**
 * Images through a vision tower that is trained. A batch is fed embeddings, as where the tower is frozen, and tells the
 * gradient of each; an entry point of the tower's own, one for each planned graph, takes an image and that gradient further back.
 *
 * Cutting the chain rule at the embeddings keeps grids out of the batches' shapes, of which there would be one for each
 * combination of grids, and never holds the activations of text and images together. The price is that the tower's
 * forward pass runs twice. An image that a batch shows several times is embedded once: its gradients add up.
 */
import type { Value } from '../ops/node.ts';
import type { Trace } from '../ops/trace.ts';
import { randomKey } from '../random.ts';
import type { Program } from '../runtime/program.ts';
import type { Session } from '../runtime/session.ts';
import { trainingParameters } from './entries.ts';
import type { TrainedModel } from './entries.ts';
import { joinEmbeds } from './image-embeds.ts';
import type { ImageEmbedder, LoadImage } from './image-embeds.ts';
import { addGradientEntry, trainedTensors } from './trainer.ts';
import type { Batch } from './trainer.ts';
import { embedImage, imageFeeds } from './vision-graphs.ts';
import type { VisionGraph } from './vision-graphs.ts';

const forwardOf = (graph: VisionGraph): string => `tower/${graph.name}`;
const gradientOf = (graph: VisionGraph): string => `tower-gradient/${graph.name}`;

/** Declares the tower as it is trained, forward and back, for each of the planned graphs. */
export const addTowerEntries = (
  program: Program,
  model: TrainedModel,
  graphs: readonly VisionGraph[],
): void => {
  const { config, layout, recompute = false } = model;
  for (const graph of graphs) {
    const embed = (t: Trace, trained: Record<string, Value>): Value =>
      embedImage(t, trainingParameters(t, model, trained), config, graph);
    program.entry(forwardOf(graph), (t) => ({ outputs: { embeds: embed(t, trainedTensors(t, layout)) } }));
    addGradientEntry(
      program,
      gradientOf(graph),
      layout,
      (t, trained) => {
        const embeds = embed(t, trained);
        return { loss: t.sum(t.mul(embeds, t.input('cotangent', embeds.shape)), [0, 1]) };
      },
      { recompute },
    );
  }
};

/** Where the numbers of dropout are drawn: a function of the training's seed, its step and the batch within it. */
export interface DropoutPlace {
  readonly seed: number;
  readonly step: number;
  readonly batch: number;
}

/** The input `dropout` of a batch, or of one of its images; none where nothing is dropped. */
const dropoutFeed = (
  rate: number,
  { seed, step, batch }: DropoutPlace,
  image?: string,
): { readonly dropout?: Int32Array } =>
  rate === 0
    ? {}
    : {
        dropout: Int32Array.from(
          randomKey(seed, 'dropout', step, batch, ...(image === undefined ? [] : [image])),
        ),
      };

/** Who embeds the images of a training's batches. */
export interface Sight {
  readonly model: TrainedModel;
  readonly session: Session;
  readonly load: LoadImage;
  readonly graphs: readonly VisionGraph[];
  /** By the tower as it stands, without dropout. */
  readonly embedder: ImageEmbedder;
  /** By the tower without the adapter, where a reference pass needs it beside the trained one. */
  readonly reference?: ImageEmbedder | undefined;
}

/**
 * What a training batch is fed of its images, `size` numbers with the zeros behind them, and the key of its dropout; with a
 * trained tower, what carries the gradient of the images into it.
 */
export const seeImages = async (
  { model, session, load, graphs, embedder, reference }: Sight,
  names: readonly string[],
  size: number,
  place: DropoutPlace,
): Promise<Pick<Batch, 'feeds' | 'behind'>> => {
  const { vision } = model.config;
  const rate = model.dropout ?? 0;
  const key = dropoutFeed(rate, place);
  if (size === 0) return { feeds: key };
  if (model.trainsTower !== true)
    return { feeds: { ...key, images: await joinEmbeds(embedder, names, size) } };
  const frozen = reference === undefined ? {} : { referenceImages: await joinEmbeds(reference, names, size) };
  const images = new Map<string, Seen>();
  for (const name of new Set(names)) {
    const image = imageFeeds(vision, graphs, await load(name));
    const feeds = { ...image.feeds, ...dropoutFeed(rate, place, name) };
    const found = session.run(forwardOf(image.graph), feeds)['embeds'] as Float32Array;
    const embeds = found.slice(0, image.embeddings * vision.outDim);
    images.set(name, { graph: image.graph, feeds, embeds, room: found.length, places: [] });
  }
  const joined = new Float32Array(size);
  let at = 0;
  for (const name of names) {
    const { embeds, places } = images.get(name) as Seen;
    joined.set(embeds, at);
    places.push(at);
    at += embeds.length;
  }
  return {
    feeds: { ...key, ...frozen, images: joined },
    behind: ({ cotangent }) =>
      [...images.values()].map(({ graph, feeds, embeds, room, places }) => {
        const sum = new Float32Array(room);
        for (const place of places) for (let i = 0; i < embeds.length; i++) sum[i]! += cotangent![place + i]!;
        return { entry: gradientOf(graph), feeds: { ...feeds, cotangent: sum } };
      }),
  };
};

/** An image of a batch and where its embeddings begin among those of the batch. */
interface Seen {
  readonly graph: VisionGraph;
  readonly feeds: Batch['feeds'];
  readonly embeds: Float32Array;
  /** Numbers that the graph has room for. */
  readonly room: number;
  readonly places: number[];
}
