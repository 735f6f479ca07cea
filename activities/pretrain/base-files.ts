/** The files of the demo's base beside its weights, as Hugging Face lays a Qwen2-VL out. */
import { z } from 'zod';
import { PretrainedBase } from '../../schemas/config/base.ts';
import type { Bank } from '../clinic/bank.ts';
import { buildTokenizer } from '../clinic/tokenizer.ts';
import { vocabularyOf } from '../clinic/vocabulary.ts';

const { kind: _kind, path: _path, ...fields } = PretrainedBase.shape;
/** Parameters of `pretrain`: sizes of the model and of its training. Whether they fit each other, the config checks. */
export const PretrainParams = z.strictObject(fields);
export type PretrainParams = z.infer<typeof PretrainParams>;

/** Normalisation of CLIP, which Qwen2-VL keeps. */
const IMAGE_MEAN = [0.48145466, 0.4578275, 0.40821073];
const IMAGE_STD = [0.26862954, 0.26130258, 0.27577711];

function textConfig(params: PretrainParams, vocabularySize: number, ids: Readonly<Record<string, number>>) {
  return {
    attention_dropout: 0,
    bos_token_id: ids['<|endoftext|>'],
    dtype: 'float32',
    eos_token_id: ids['<|im_end|>'],
    head_dim: params.headDim,
    hidden_act: 'silu',
    hidden_size: params.hiddenSize,
    initializer_range: 0.02,
    intermediate_size: params.intermediateSize,
    layer_types: Array.from({ length: params.layers }, () => 'full_attention'),
    max_position_embeddings: 4096,
    max_window_layers: params.layers,
    model_type: 'qwen2_vl_text',
    num_attention_heads: params.heads,
    num_hidden_layers: params.layers,
    num_key_value_heads: params.kvHeads,
    pad_token_id: ids['<|endoftext|>'],
    rms_norm_eps: 1e-6,
    rope_parameters: {
      mrope_section: params.mropeSection,
      rope_theta: 1e4,
      rope_type: 'default',
      type: 'mrope',
    },
    sliding_window: null,
    tie_word_embeddings: true,
    use_cache: true,
    use_sliding_window: false,
    vocab_size: vocabularySize,
  };
}

/** JSON files by name: configuration, tokenizer, image settings. Throws where the bank's words exceed the vocabulary. */
export function baseFiles(bank: Bank, params: PretrainParams): Readonly<Record<string, object>> {
  const {
    tokenizer,
    config: tokenizerConfig,
    size,
    ids,
  } = buildTokenizer(vocabularyOf(bank), params.vocabularySize);
  const { vision } = params;
  return {
    'config.json': {
      architectures: ['Qwen2VLForConditionalGeneration'],
      dtype: 'float32',
      image_token_id: ids['<|image_pad|>'],
      model_type: 'qwen2_vl',
      text_config: textConfig(params, size, ids),
      tie_word_embeddings: true,
      video_token_id: ids['<|video_pad|>'],
      vision_config: {
        depth: vision.depth,
        embed_dim: vision.embedDim,
        hidden_act: 'quick_gelu',
        hidden_size: params.hiddenSize,
        in_channels: 3,
        initializer_range: 0.02,
        mlp_ratio: vision.mlpRatio,
        model_type: 'qwen2_vl_vision',
        num_heads: vision.heads,
        patch_size: vision.patchSize,
        spatial_merge_size: vision.mergeSize,
        temporal_patch_size: 2,
      },
      vision_end_token_id: ids['<|vision_end|>'],
      vision_start_token_id: ids['<|vision_start|>'],
    },
    'generation_config.json': {
      bos_token_id: ids['<|endoftext|>'],
      do_sample: false,
      eos_token_id: [ids['<|im_end|>'], ids['<|endoftext|>']],
      pad_token_id: ids['<|endoftext|>'],
    },
    'preprocessor_config.json': {
      do_convert_rgb: true,
      do_normalize: true,
      do_rescale: true,
      do_resize: true,
      image_mean: IMAGE_MEAN,
      image_processor_type: 'Qwen2VLImageProcessor',
      image_std: IMAGE_STD,
      max_pixels: params.maxPixels,
      merge_size: vision.mergeSize,
      min_pixels: params.minPixels,
      patch_size: vision.patchSize,
      temporal_patch_size: 2,
    },
    'tokenizer.json': tokenizer,
    'tokenizer_config.json': tokenizerConfig,
  };
}
