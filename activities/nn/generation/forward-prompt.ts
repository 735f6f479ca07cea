import type { Tensor } from '../checkpoint/safetensors-file.ts';
import { fillModel, modelVariables } from '../models/model-variables.ts';
import type { HostArray } from '../ops/dtype.ts';
import { Program } from '../runtime/program.ts';
import type { AnswererOptions, ImagedPrompt } from './answerer.ts';
import { patchesOf, promptInputs, recordPrompt } from './whole-prompt.ts';

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
  model: Pick<AnswererOptions, 'checkpoint' | 'adapter' | 'compute' | 'loadImage'>,
  prompt: ImagedPrompt,
): Promise<ReadonlyMap<string, Tensor>> {
  const { checkpoint, adapter, compute } = model;
  const { tokens, positions, grids } = prompt;
  const { config } = checkpoint;
  const { vocabSize, hiddenSize } = config.text;
  const T = tokens.length;
  const program = new Program();
  program.entry('forward', (t) => ({
    outputs: recordPrompt(t, modelVariables(t, config, adapter, compute?.arithmetic), config, prompt),
  }));
  const session = await program.load({ execution: compute?.execution ?? 'graph' });
  try {
    await fillModel(session, checkpoint, adapter, compute?.dtype);
    const feeds = await promptInputs(config, prompt, model.loadImage);
    const found = session.run('forward', feeds);
    const result = new Map<string, Tensor>([
      ['input_ids', integers(tokens, [T])],
      ['position_ids', integers(positions.ids, [3, T])],
      ['logits', floats(found['logits'], [T, vocabSize])],
    ]);
    if (grids.length === 0) return result;
    const embeddings = tokens.filter((token) => token === config.imageTokenId).length;
    const grid = grids.flatMap(({ t, h, w }) => [t, h, w]);
    return result
      .set('image_embeds', floats(found['image_embeds'], [embeddings, hiddenSize]))
      .set('pixel_values', floats(feeds['pixels'], [patchesOf(prompt), config.vision.patchNumbers]))
      .set('image_grid_thw', integers(grid, [grids.length, 3]));
  } finally {
    session.dispose();
  }
}
