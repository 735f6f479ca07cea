import { describe, expect, it } from 'vitest';
import { parseModelConfig } from '../../../../activities/nn/models/config.ts';
import { modelParameters, textLinears } from '../../../../activities/nn/models/parameters.ts';

/** Qwen2-VL-2B-Instruct's config.json as it was published, without the keys that do not matter here. */
const flat = {
  model_type: 'qwen2_vl',
  image_token_id: 151655,
  video_token_id: 151656,
  vision_start_token_id: 151652,
  vision_end_token_id: 151653,
  eos_token_id: 151645,
  hidden_act: 'silu',
  hidden_size: 1536,
  intermediate_size: 8960,
  num_attention_heads: 12,
  num_hidden_layers: 28,
  num_key_value_heads: 2,
  rms_norm_eps: 1e-6,
  rope_theta: 1_000_000,
  tie_word_embeddings: true,
  use_sliding_window: false,
  vision_config: {
    depth: 32,
    embed_dim: 1280,
    mlp_ratio: 4,
    num_heads: 16,
    in_chans: 3,
    hidden_size: 1536,
    patch_size: 14,
  },
  rope_scaling: { type: 'mrope', mrope_section: [16, 24, 24] },
  vocab_size: 151936,
};

const { rope_theta, rope_scaling, vision_config, ...rest } = flat;
const { model_type, image_token_id, video_token_id, vision_start_token_id, vision_end_token_id, ...text } =
  rest;
const nested = {
  model_type,
  image_token_id,
  video_token_id,
  vision_start_token_id,
  vision_end_token_id,
  text_config: { ...text, rope_parameters: { rope_type: 'default', ...rope_scaling, rope_theta } },
  vision_config,
};

const count = (config: Parameters<typeof modelParameters>[0]): number =>
  modelParameters(config).reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);

describe('a model config', () => {
  it('is the same flat and nested', () => {
    expect(parseModelConfig(nested)).toEqual(parseModelConfig(flat));
  });

  it('describes as many parameters as the published checkpoints have', () => {
    expect(count(parseModelConfig(flat))).toBe(2_208_985_600);
    const lingshu = {
      ...flat,
      model_type: 'qwen2_5_vl',
      hidden_size: 3584,
      intermediate_size: 18944,
      num_attention_heads: 28,
      num_key_value_heads: 4,
      tie_word_embeddings: false,
      vocab_size: 152064,
      vision_config: {
        depth: 32,
        hidden_size: 1280,
        intermediate_size: 3420,
        num_heads: 16,
        out_hidden_size: 3584,
      },
    };
    const config = parseModelConfig(lingshu);
    expect(count(config)).toBe(8_292_166_656);
    expect(config.vision).toMatchObject({ windowSize: 112, fullAttentionBlocks: [7, 15, 23, 31] });
    expect(textLinears(config.text)).toHaveLength(196);
  });

  it.each<[string, object]>([
    ['mrope_section has exactly three entries', { rope_scaling: { type: 'mrope', mrope_section: [32, 32] } }],
    [
      'mrope_section [16, 16, 16] adds up to 48, half a head is 64',
      { rope_scaling: { mrope_section: [16, 16, 16] } },
    ],
    ['neither rope_parameters nor rope_theta', { rope_theta: undefined }],
    ['use_sliding_window', { use_sliding_window: true }],
    ['hidden_act', { hidden_act: 'gelu' }],
    ['model_type', { model_type: 'llava' }],
    ['vocab_size', { vocab_size: undefined }],
    ['(hidden_size, heads, key-value heads) do not divide', { num_key_value_heads: 5 }],
    [
      'the vision tower gives 1280 numbers, the text model takes 1536',
      { vision_config: { ...vision_config, hidden_size: 1280 } },
    ],
  ])('that cannot be computed is refused, naming the file: %s', (expected, change) => {
    expect(() => parseModelConfig({ ...flat, ...change }, 'base/config.json')).toThrow(expected);
    expect(() => parseModelConfig({ ...flat, ...change }, 'base/config.json')).toThrow('base/config.json');
  });
});
