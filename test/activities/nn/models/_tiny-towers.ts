import { parseModelConfig } from '../../../../activities/nn/models/config.ts';
import type { ModelConfig } from '../../../../activities/nn/models/config.ts';

const common = {
  image_token_id: 1,
  video_token_id: 2,
  vision_start_token_id: 3,
  vision_end_token_id: 4,
  vocab_size: 8,
  hidden_size: 16,
  intermediate_size: 24,
  num_hidden_layers: 1,
  num_attention_heads: 2,
  num_key_value_heads: 1,
  tie_word_embeddings: true,
  rope_parameters: { rope_theta: 10_000, mrope_section: [2, 1, 1] },
};
/** Models whose vision towers have every part and hardly any numbers. */
export const tinyTowers: Record<string, ModelConfig> = {
  'Qwen2-VL': parseModelConfig({
    ...common,
    model_type: 'qwen2_vl',
    vision_config: { depth: 2, embed_dim: 16, hidden_size: 16, mlp_ratio: 2, num_heads: 2, patch_size: 2 },
  }),
  'Qwen2.5-VL': parseModelConfig({
    ...common,
    model_type: 'qwen2_5_vl',
    vision_config: {
      depth: 2,
      hidden_size: 16,
      out_hidden_size: 16,
      intermediate_size: 20,
      num_heads: 2,
      patch_size: 2,
      window_size: 8,
      fullatt_block_indexes: [1],
    },
  }),
};
