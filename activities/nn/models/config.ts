import { z } from 'zod';

/**
 * Qwen2-VL and Qwen2.5-VL configurations as Hugging Face writes them: text fields at the root (transformers 4) or under
 * `text_config` (5), rotary settings as `rope_theta` and `rope_scaling` or as `rope_parameters`.
 *
 * Keys that change what is computed are checked, and a value that is not implemented is an error; others are ignored.
 */
const positive = z.int().positive();

const Rope = z.looseObject({
  rope_theta: z.number().positive().optional(),
  type: z.enum(['mrope', 'default']).optional(),
  rope_type: z.enum(['mrope', 'default']).optional(),
  mrope_section: z.tuple([positive, positive, positive], {
    error: 'mrope_section has exactly three entries: transformers 4 and 5 disagree about any other number',
  }),
});

const Text = z.looseObject({
  vocab_size: positive,
  hidden_size: positive,
  intermediate_size: positive,
  num_hidden_layers: positive,
  num_attention_heads: positive,
  num_key_value_heads: positive,
  head_dim: positive.optional(),
  hidden_act: z.literal('silu').default('silu'),
  rms_norm_eps: z.number().positive().default(1e-6),
  use_sliding_window: z.literal(false).default(false),
  rope_theta: z.number().positive().optional(),
  rope_scaling: Rope.nullish(),
  rope_parameters: Rope.nullish(),
  tie_word_embeddings: z.boolean().optional(),
  bos_token_id: z.int().nullish(),
  eos_token_id: z.union([z.int(), z.array(z.int())]).nullish(),
  pad_token_id: z.int().nullish(),
});

const vision = {
  depth: positive,
  num_heads: positive,
  in_channels: positive.optional(),
  in_chans: positive.optional(),
  patch_size: positive.default(14),
  spatial_merge_size: positive.default(2),
  temporal_patch_size: positive.default(2),
};

const Vision2 = z.looseObject({
  ...vision,
  embed_dim: positive,
  hidden_size: positive,
  mlp_ratio: z.number().positive().default(4),
  hidden_act: z.literal('quick_gelu').default('quick_gelu'),
});

const Vision25 = z.looseObject({
  ...vision,
  hidden_size: positive,
  out_hidden_size: positive,
  intermediate_size: positive,
  hidden_act: z.literal('silu').default('silu'),
  window_size: positive.default(112),
  fullatt_block_indexes: z.array(z.int().nonnegative()).default([7, 15, 23, 31]),
});

const root = {
  image_token_id: z.int(),
  video_token_id: z.int(),
  vision_start_token_id: z.int(),
  vision_end_token_id: z.int(),
  tie_word_embeddings: z.boolean().optional(),
  text_config: Text.optional(),
};

const File = z.discriminatedUnion('model_type', [
  z.looseObject({ model_type: z.literal('qwen2_vl'), ...root, vision_config: Vision2 }),
  z.looseObject({ model_type: z.literal('qwen2_5_vl'), ...root, vision_config: Vision25 }),
]);

export interface TextConfig {
  readonly vocabSize: number;
  readonly hiddenSize: number;
  readonly intermediateSize: number;
  readonly layers: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly normEpsilon: number;
  readonly ropeTheta: number;
  /** How many frequencies follow the time, row and column position; together half a head. */
  readonly mropeSection: readonly [number, number, number];
  /** The output projection is the embedding table. */
  readonly tied: boolean;
}

interface VisionCommon {
  readonly depth: number;
  readonly heads: number;
  readonly dim: number;
  readonly mlpDim: number;
  /** Width of an image embedding: the text model's hidden size. */
  readonly outDim: number;
  /** Neighbouring patches along each side that become one embedding. */
  readonly mergeSize: number;
  readonly patchSize: number;
  readonly temporalPatchSize: number;
  /** Numbers of one patch: channels × frames × height × width. */
  readonly patchNumbers: number;
}

export interface Qwen2Vision extends VisionCommon {
  readonly kind: 'qwen2_vl';
}

export interface Qwen25Vision extends VisionCommon {
  readonly kind: 'qwen2_5_vl';
  /** Pixels along a side of an attention window. */
  readonly windowSize: number;
  /** Blocks whose attention spans the whole image. */
  readonly fullAttentionBlocks: readonly number[];
}

export type VisionConfig = Qwen2Vision | Qwen25Vision;

export interface ModelConfig {
  readonly text: TextConfig;
  readonly vision: VisionConfig;
  readonly imageTokenId: number;
  readonly videoTokenId: number;
  readonly visionStartTokenId: number;
  readonly visionEndTokenId: number;
  readonly eosTokenIds: readonly number[];
}

/** A config.json that does not describe a model this project can run. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

/** Reads a parsed config.json; `file` names it in errors. */
export function parseModelConfig(json: unknown, file = 'config.json'): ModelConfig {
  const read = File.safeParse(json);
  if (!read.success) throw new ConfigError(`${file}: ${z.prettifyError(read.error)}`);
  const found = Text.safeParse(read.data.text_config ?? json);
  if (!found.success) throw new ConfigError(`${file}: ${z.prettifyError(found.error)}`);
  const eos = found.data.eos_token_id;
  const config: ModelConfig = {
    text: textConfig(found.data, read.data.tie_word_embeddings, file),
    vision: visionConfig(read.data),
    imageTokenId: read.data.image_token_id,
    videoTokenId: read.data.video_token_id,
    visionStartTokenId: read.data.vision_start_token_id,
    visionEndTokenId: read.data.vision_end_token_id,
    eosTokenIds: Array.isArray(eos) ? eos : eos == null ? [] : [eos],
  };
  if (config.vision.outDim !== config.text.hiddenSize)
    throw new ConfigError(
      `${file}: the vision tower gives ${config.vision.outDim} numbers, the text model takes ${config.text.hiddenSize}`,
    );
  return config;
}

function textConfig(text: z.infer<typeof Text>, tiedAtRoot: boolean | undefined, file: string): TextConfig {
  const rope = text.rope_parameters ?? text.rope_scaling;
  const theta = rope?.rope_theta ?? text.rope_theta;
  if (rope == null || theta === undefined)
    throw new ConfigError(`${file}: neither rope_parameters nor rope_theta with rope_scaling is there`);
  const headDim = text.head_dim ?? text.hidden_size / text.num_attention_heads;
  const frequencies = rope.mrope_section[0] + rope.mrope_section[1] + rope.mrope_section[2];
  if (!Number.isInteger(headDim) || text.num_attention_heads % text.num_key_value_heads !== 0)
    throw new ConfigError(
      `${file}: ${text.hidden_size} / ${text.num_attention_heads} / ${text.num_key_value_heads} (hidden_size, heads, key-value heads) do not divide`,
    );
  if (frequencies * 2 !== headDim)
    throw new ConfigError(
      `${file}: mrope_section [${rope.mrope_section.join(', ')}] adds up to ${frequencies}, half a head is ${headDim / 2}`,
    );
  return {
    vocabSize: text.vocab_size,
    hiddenSize: text.hidden_size,
    intermediateSize: text.intermediate_size,
    layers: text.num_hidden_layers,
    heads: text.num_attention_heads,
    kvHeads: text.num_key_value_heads,
    headDim,
    normEpsilon: text.rms_norm_eps,
    ropeTheta: theta,
    mropeSection: rope.mrope_section,
    tied: tiedAtRoot ?? text.tie_word_embeddings ?? false,
  };
}

function visionConfig(file: z.infer<typeof File>): VisionConfig {
  const v = file.vision_config;
  const common = {
    depth: v.depth,
    heads: v.num_heads,
    mergeSize: v.spatial_merge_size,
    patchSize: v.patch_size,
    temporalPatchSize: v.temporal_patch_size,
    patchNumbers: (v.in_channels ?? v.in_chans ?? 3) * v.temporal_patch_size * v.patch_size ** 2,
  };
  if (file.model_type === 'qwen2_vl') {
    const v = file.vision_config;
    const mlpDim = Math.floor(v.embed_dim * v.mlp_ratio);
    return { kind: 'qwen2_vl', ...common, dim: v.embed_dim, mlpDim, outDim: v.hidden_size };
  }
  const w = file.vision_config;
  return {
    kind: 'qwen2_5_vl',
    ...common,
    dim: w.hidden_size,
    mlpDim: w.intermediate_size,
    outDim: w.out_hidden_size,
    windowSize: w.window_size,
    fullAttentionBlocks: w.fullatt_block_indexes,
  };
}
