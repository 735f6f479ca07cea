/**
 * One pass over a whole prompt, images included, without a cache.
 * Legend: T tokens, M image embeddings, P patches, D hidden size, V vocabulary.
 */
import type { Parameters } from '../linear.ts';
import type { ModelConfig } from '../models/config.ts';
import { embedTokens, forwardText, logits } from '../models/text.ts';
import { forwardVision } from '../models/vision.ts';
import type { HostArray } from '../ops/dtype.ts';
import type { Value } from '../ops/node.ts';
import type { Trace } from '../ops/trace.ts';
import type { LoadImage } from '../training/image-embeds.ts';
import type { ImagedPrompt } from './answerer.ts';

/** Patches of a prompt's images, in all. */
export const patchesOf = ({ grids }: Pick<ImagedPrompt, 'grids'>): number =>
  grids.reduce((sum, { t, h, w }) => sum + t * h * w, 0);

/** Records the pass: `logits` [T, V], and with images `image_embeds` [M, D]. */
export const recordPrompt = (
  t: Trace,
  params: Parameters,
  config: ModelConfig,
  prompt: ImagedPrompt,
): Record<string, Value> => {
  const T = prompt.tokens.length;
  const patches = patchesOf(prompt);
  const ids = t.input('ids', [1, T], 'int32');
  const outputs: Record<string, Value> = {};
  if (patches > 0) {
    const pixels = t.input('pixels', [patches, config.vision.patchNumbers]);
    outputs['image_embeds'] = forwardVision(t, params, config, { pixels, grids: prompt.grids });
  }
  const embeds = outputs['image_embeds'];
  const x = embedTokens(
    t,
    params,
    ids,
    embeds === undefined ? undefined : { embeds, index: t.input('index', [1, T], 'int32') },
  );
  const hidden = forwardText(t, params, config, {
    embeds: x,
    positions: t.input('positions', [3, 1, T], 'int32'),
  });
  return { ...outputs, logits: logits(t, params, config, t.reshape(hidden, [T, config.text.hiddenSize])) };
};

/** What the pass is fed: `ids` and `positions`, and with images `pixels` [P, patch] and `index` [T]. */
export const promptInputs = async (
  config: ModelConfig,
  prompt: ImagedPrompt,
  loadImage: LoadImage,
): Promise<Record<string, HostArray>> => {
  const { tokens, positions, images } = prompt;
  const feeds = { ids: tokens, positions: positions.ids };
  const patches = patchesOf(prompt);
  if (patches === 0) return feeds;
  const pixels = new Float32Array(patches * config.vision.patchNumbers);
  let at = 0;
  for (const { pixelValues } of await Promise.all(images.map(loadImage))) {
    pixels.set(pixelValues, at);
    at += pixelValues.length;
  }
  let row = tokens.length;
  const index = Int32Array.from(tokens, (token, i) => (token === config.imageTokenId ? row++ : i));
  return { ...feeds, pixels, index };
};
