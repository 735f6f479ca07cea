/** Embeddings of images from the vision tower as it stands: computed when first asked for, then kept until it changes. */
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

export const gridName = ({ t, h, w }: Grid): string => `${t}x${h}x${w}`;

/** Each grid once, in the order of the first. */
export const distinctGrids = (grids: Iterable<Grid>): Grid[] => [
  ...new Map([...grids].map((grid) => [gridName(grid), grid])).values(),
];

const VISION = 'vision';

/** Declares the vision tower for each of the grids under a name; equal grids share one graph. */
export const addVisionEntries = (
  program: Program,
  config: ModelConfig,
  parameters: (t: Trace) => Parameters,
  grids: Iterable<Grid>,
  name = VISION,
): void => {
  for (const grid of distinctGrids(grids))
    program.entry(`${name}/${gridName(grid)}`, (t) => {
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
  /** Drops what is kept: due when the tower has changed. */
  forget(): void;
}

export const createEmbedder = (
  session: Session,
  load: LoadImage,
  {
    tower = VISION,
    limitBytes = LIMIT_BYTES,
  }: { readonly tower?: string; readonly limitBytes?: number } = {},
): ImageEmbedder => {
  const kept = new Map<string, Float32Array>();
  let bytes = 0;
  return {
    async embed(name) {
      const known = kept.get(name);
      if (known !== undefined) return known;
      const { pixelValues, grid } = await load(name);
      const embeds = session.run(`${tower}/${gridName(grid)}`, { pixels: pixelValues })[
        'embeds'
      ] as Float32Array;
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
