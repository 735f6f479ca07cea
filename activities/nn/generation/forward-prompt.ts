import type { Tensor } from '../checkpoint/safetensors-file.ts';
import { fillModel, modelVariables } from '../models/model-variables.ts';
import { embedTokens, forwardText, logits } from '../models/text.ts';
import { forwardVision } from '../models/vision.ts';
import type { HostArray } from '../ops/dtype.ts';
import type { Value } from '../ops/node.ts';
import { Program } from '../runtime/program.ts';
import type { AnswererOptions, ImagedPrompt } from './answerer.ts';

const integers = (data: ArrayLike<number>, shape: readonly number[]): Tensor => ({
  dtype: 'I64',
  shape,
  data: BigInt64Array.from(Array.from(data), BigInt),
});

const floats = (data: HostArray | undefined, shape: readonly number[]): Tensor => {
  if (!(data instanceof Float32Array)) throw new TypeError('the model gave no floating-point numbers');
  return { dtype: 'F32', shape, data };
};

/**
 * One pass over a prompt, every intermediate of interest kept: `input_ids` [T], `position_ids` [3, T], `logits` [T, V], and with
 * images `image_embeds` [M, D], `pixel_values` [P, patch] and `image_grid_thw` [images, 3].
 */
export async function forwardPrompt(
  model: Pick<AnswererOptions, 'checkpoint' | 'adapter' | 'loadImage'>,
  { tokens, positions, images, grids }: ImagedPrompt,
): Promise<ReadonlyMap<string, Tensor>> {
  const { checkpoint, adapter } = model;
  const { config } = checkpoint;
  const { vocabSize, hiddenSize } = config.text;
  const T = tokens.length;
  const patches = grids.reduce((sum, { t, h, w }) => sum + t * h * w, 0);
  const program = new Program();
  program.entry('forward', (t) => {
    const params = modelVariables(t, config, adapter);
    const ids = t.input('ids', [1, T], 'int32');
    const outputs: Record<string, Value> = {};
    if (patches > 0) {
      const pixels = t.input('pixels', [patches, config.vision.patchNumbers]);
      outputs['image_embeds'] = forwardVision(t, params, config, { pixels, grids });
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
    return { outputs: { ...outputs, logits: logits(t, params, config, t.reshape(hidden, [T, hiddenSize])) } };
  });
  const session = await program.load();
  try {
    await fillModel(session, checkpoint, adapter);
    const loaded = await Promise.all(images.map(model.loadImage));
    const pixels = new Float32Array(patches * config.vision.patchNumbers);
    let at = 0;
    for (const { pixelValues } of loaded) {
      pixels.set(pixelValues, at);
      at += pixelValues.length;
    }
    let row = T;
    const index = Int32Array.from(tokens, (token, i) => (token === config.imageTokenId ? row++ : i));
    const feeds = { ids: tokens, positions: positions.ids };
    const found = session.run('forward', patches === 0 ? feeds : { ...feeds, pixels, index });
    const result = new Map<string, Tensor>([
      ['input_ids', integers(tokens, [T])],
      ['position_ids', integers(positions.ids, [3, T])],
      ['logits', floats(found['logits'], [T, vocabSize])],
    ]);
    if (patches === 0) return result;
    const grid = grids.flatMap(({ t, h, w }) => [t, h, w]);
    return result
      .set('image_embeds', floats(found['image_embeds'], [row - T, hiddenSize]))
      .set('pixel_values', floats(pixels, [patches, config.vision.patchNumbers]))
      .set('image_grid_thw', integers(grid, [grids.length, 3]));
  } finally {
    session.dispose();
  }
}
