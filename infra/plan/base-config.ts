/** The shapes of the model that a configuration starts from, wherever they can be had. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { readBank } from '../../activities/clinic/bank.ts';
import { parseModelConfig } from '../../activities/nn/models/config.ts';
import type { ModelConfig } from '../../activities/nn/models/config.ts';
import { readJson } from '../../activities/nn/checkpoint/files.ts';
import { nodeFolder } from '../../activities/nn/runtime/files.ts';
import { baseFiles } from '../../activities/pretrain/base-files.ts';
import type { Base } from '../../schemas/config/base.ts';

/** The base's shapes are not known. */
export class UnknownBase extends Error {
  override readonly name = 'UnknownBase';
}

const tokens = {
  vision_start_token_id: 151_652,
  vision_end_token_id: 151_653,
  image_token_id: 151_655,
  video_token_id: 151_656,
  eos_token_id: 151_645,
  rope_theta: 1e6,
  rope_scaling: { type: 'mrope', mrope_section: [16, 24, 24] },
};

const qwen7B = {
  ...tokens,
  vocab_size: 152_064,
  hidden_size: 3584,
  intermediate_size: 18_944,
  num_hidden_layers: 28,
  num_attention_heads: 28,
  num_key_value_heads: 4,
  tie_word_embeddings: false,
};

const qwen25VL7B = {
  ...qwen7B,
  model_type: 'qwen2_5_vl',
  vision_config: {
    depth: 32,
    hidden_size: 1280,
    out_hidden_size: 3584,
    intermediate_size: 3420,
    num_heads: 16,
  },
};

/**
 * What decides shapes in config.json as published on Hugging Face: Qwen/Qwen2-VL-{2B,7B}-Instruct,
 * Qwen/Qwen2.5-VL-7B-Instruct, and lingshu-medical-mllm/Lingshu-7B, which was trained from the last. That the shapes are
 * theirs shows in the parameters, whose published counts a test compares.
 */
const published: Readonly<Record<string, unknown>> = {
  'Qwen2-VL-2B-Instruct': {
    ...tokens,
    model_type: 'qwen2_vl',
    vocab_size: 151_936,
    hidden_size: 1536,
    intermediate_size: 8960,
    num_hidden_layers: 28,
    num_attention_heads: 12,
    num_key_value_heads: 2,
    tie_word_embeddings: true,
    vision_config: { depth: 32, embed_dim: 1280, hidden_size: 1536, num_heads: 16 },
  },
  'Qwen2-VL-7B-Instruct': {
    ...qwen7B,
    model_type: 'qwen2_vl',
    vision_config: { depth: 32, embed_dim: 1280, hidden_size: 3584, num_heads: 16 },
  },
  'Qwen2.5-VL-7B-Instruct': qwen25VL7B,
  'Lingshu-7B': qwen25VL7B,
};

/** Shapes of a base: of the folder that is named, else as the demo makes it, else as published. Throws {@link UnknownBase}. */
export async function baseConfig(base: Base, folder: string | undefined): Promise<ModelConfig> {
  if (folder !== undefined) return ofFolder(folder);
  if (base.kind === 'pretrain') {
    const bank = readBank(JSON.parse(await readFile(base.path, 'utf8')));
    const { kind: _kind, path: _path, ...params } = base;
    return parseModelConfig(baseFiles(bank, params)['config.json']);
  }
  if (existsSync(path.join(base.path, 'config.json'))) return ofFolder(base.path);
  const known = published[path.basename(base.path)];
  if (known === undefined)
    throw new UnknownBase(`the shapes of the base ${base.path} are not known: give its folder as --model`);
  return parseModelConfig(known, path.basename(base.path));
}

const ofFolder = async (folder: string): Promise<ModelConfig> =>
  parseModelConfig(await readJson(nodeFolder(folder), 'config.json'), path.join(folder, 'config.json'));
