/** Embeddings of images from the vision tower as it stands: computed when first asked for, then kept until it changes. */
import type { ImagePatches } from '../images/patches.ts';
import type { Parameters } from '../linear.ts';
import type { ModelConfig } from '../models/config.ts';
import type { Grid } from '../models/position-ids.ts';
import type { Trace } from '../ops/trace.ts';
import type { Program } from '../runtime/program.ts';
import type { Session } from '../runtime/session.ts';
import { embedImage, imageFeeds, planVisionGraphs } from './vision-graphs.ts';
import type { VisionGraph } from './vision-graphs.ts';

/** Reads an image by name and brings it to the form the vision tower takes. */
export type LoadImage = (name: string) => Promise<ImagePatches>;

/** Entry points of a vision tower for the images of a job. */
export interface VisionEntries {
  readonly name: string;
  readonly config: ModelConfig;
  readonly graphs: readonly VisionGraph[];
}

/** Declares the vision tower, under a name, for images of these grids, one entry an image. */
export const addVisionEntries = (
  program: Program,
  config: ModelConfig,
  parameters: (t: Trace) => Parameters,
  grids: Iterable<Grid>,
  name = 'vision',
): VisionEntries => {
  const graphs = planVisionGraphs(config.vision, grids);
  for (const graph of graphs)
    program.entry(`${name}/${graph.name}`, (t) => ({
      outputs: { embeds: embedImage(t, parameters(t), config, graph) },
    }));
  return { name, config, graphs };
};

/** Embeddings kept at once; beyond it the oldest are computed again. */
const LIMIT_BYTES = 2 ** 31;

export interface ImageEmbedder {
  /** [K, D] of one image, row-major. */
  embed(name: string): Promise<Float32Array>;
  /** Drops what is kept: due when the tower has changed. */
  forget(): void;
}

export const createEmbedder = (
  session: Session,
  load: LoadImage,
  { name: tower, config, graphs }: VisionEntries,
  limitBytes: number = LIMIT_BYTES,
): ImageEmbedder => {
  const kept = new Map<string, Float32Array>();
  let bytes = 0;
  return {
    async embed(name) {
      const known = kept.get(name);
      if (known !== undefined) return known;
      const { graph, feeds, embeddings } = imageFeeds(config.vision, graphs, await load(name));
      const found = session.run(`${tower}/${graph.name}`, feeds)['embeds'] as Float32Array;
      const embeds = found.slice(0, embeddings * config.vision.outDim);
      kept.set(name, embeds);
      bytes += embeds.byteLength;
      for (const [oldest, { byteLength }] of kept) {
        if (bytes <= limitBytes || oldest === name) break;
        kept.delete(oldest);
        bytes -= byteLength;
      }
      return embeds;
    },
    forget() {
      kept.clear();
      bytes = 0;
    },
  };
};

/** Embeddings of images one after another, then zeros: [size / D, D]. */
export const joinEmbeds = async (
  embedder: ImageEmbedder,
  names: readonly string[],
  size: number,
): Promise<Float32Array> => {
  const joined = new Float32Array(size);
  let at = 0;
  for (const name of names) {
    const embeds = await embedder.embed(name);
    joined.set(embeds, at);
    at += embeds.length;
  }
  return joined;
};
