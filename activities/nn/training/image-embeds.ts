/** Embeddings of images from the frozen vision tower: computed when first asked for, then kept. */
import type { ImagePatches } from '../images/patches.ts';
import type { Parameters } from '../linear.ts';
import type { ModelConfig } from '../models/config.ts';
import type { Grid } from '../models/position-ids.ts';
import { forwardVision } from '../models/vision.ts';
import type { Trace } from '../ops/trace.ts';
import type { Program } from '../runtime/program.ts';
import type { Session } from '../runtime/session.ts';

/** Reads an image by name and brings it to the form the vision tower takes. */
export type LoadImage = (name: string) => Promise<ImagePatches>;

const entryOf = ({ t, h, w }: Grid): string => `vision/${t}x${h}x${w}`;

/** Declares the vision tower for each of the grids; equal grids share one graph. */
export const addVisionEntries = (
  program: Program,
  config: ModelConfig,
  parameters: (t: Trace) => Parameters,
  grids: Iterable<Grid>,
): void => {
  const distinct = new Map([...grids].map((grid) => [entryOf(grid), grid]));
  for (const [name, grid] of distinct)
    program.entry(name, (t) => {
      const patches = grid.t * grid.h * grid.w;
      const pixels = t.input('pixels', [patches, config.vision.patchNumbers]);
      return { outputs: { embeds: forwardVision(t, parameters(t), config, { pixels, grids: [grid] }) } };
    });
};

/** Embeddings kept at once; beyond it the oldest are computed again. */
const LIMIT_BYTES = 2 ** 31;

export interface ImageEmbedder {
  /** [K, D] of one image, row-major. */
  embed(name: string): Promise<Float32Array>;
}

export const createEmbedder = (
  session: Session,
  load: LoadImage,
  limitBytes: number = LIMIT_BYTES,
): ImageEmbedder => {
  const kept = new Map<string, Float32Array>();
  let bytes = 0;
  return {
    async embed(name) {
      const known = kept.get(name);
      if (known !== undefined) return known;
      const { pixelValues, grid } = await load(name);
      const embeds = session.run(entryOf(grid), { pixels: pixelValues })['embeds'] as Float32Array;
      kept.set(name, embeds);
      bytes += embeds.byteLength;
      for (const [oldest, { byteLength }] of kept) {
        if (bytes <= limitBytes || oldest === name) break;
        kept.delete(oldest);
        bytes -= byteLength;
      }
      return embeds;
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
