import { modelParameters } from '../../../../activities/nn/models/parameters.ts';
import { parseModelConfig } from '../../../../activities/nn/models/config.ts';
import { writeSafetensors, type Tensor } from '../../../../activities/nn/checkpoint/safetensors-file.ts';
import type { Dtype } from '../../../../activities/nn/checkpoint/dtype.ts';
import { normal, randomKey } from '../../../../activities/nn/random.ts';
import { memoryFolder, type MemoryFolder } from './_memory-folder.ts';

/** A flat config.json, as transformers 4 writes it, of the smallest model there is. */
export const tinyConfig = (tied: boolean) => ({
  model_type: 'qwen2_vl',
  torch_dtype: 'float32',
  vocab_size: 12,
  hidden_size: 8,
  intermediate_size: 10,
  num_hidden_layers: 1,
  num_attention_heads: 2,
  num_key_value_heads: 1,
  rope_theta: 10000,
  rope_scaling: { type: 'mrope', mrope_section: [1, 1, 1] },
  head_dim: 6,
  tie_word_embeddings: tied,
  image_token_id: 9,
  video_token_id: 10,
  vision_start_token_id: 7,
  vision_end_token_id: 8,
  vision_config: { depth: 1, embed_dim: 8, hidden_size: 8, mlp_ratio: 2, num_heads: 2, patch_size: 2 },
});

/** The model's tensors with random values, by their names on disk. */
export const tinyTensors = (tied: boolean, dtype: Dtype = 'F32'): Map<string, Tensor> =>
  new Map(
    modelParameters(parseModelConfig(tinyConfig(tied))).map(({ name, shape }) => {
      const size = shape.reduce((n, x) => n * x, 1);
      return [name, { dtype, shape, data: normal(randomKey(5, name), size).map((x) => x * 0.02) }];
    }),
  );

/** A model folder in memory. */
export const tinyModel = async (tied = true, dtype: Dtype = 'F32'): Promise<MemoryFolder> => {
  const folder = memoryFolder();
  folder.put('config.json', { ...tinyConfig(tied), torch_dtype: dtype === 'BF16' ? 'bfloat16' : 'float32' });
  await writeSafetensors(folder, 'model.safetensors', tinyTensors(tied, dtype));
  return folder;
};
