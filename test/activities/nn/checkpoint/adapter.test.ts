import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  AdapterConfigError,
  parseAdapterConfig,
} from '../../../../activities/nn/checkpoint/adapter-config.ts';
import {
  AdapterError,
  readAdapter,
  scaleOf,
  writeAdapter,
} from '../../../../activities/nn/checkpoint/adapter.ts';
import { readModelConfig } from '../../../../activities/nn/checkpoint/checkpoint.ts';
import { writeSafetensors, type Tensor } from '../../../../activities/nn/checkpoint/safetensors-file.ts';
import { inMemoryName } from '../../../../activities/nn/checkpoint/tensor-names.ts';
import { parseModelConfig } from '../../../../activities/nn/models/config.ts';
import { nodeFolder } from '../../../../activities/nn/runtime/files.ts';
import { checkTrainedOn, WrongBase } from '../../../../activities/nn/runtime/weights-digest.ts';
import { hasShared, shared } from '../../../_shared.ts';
import { memoryFolder, type MemoryFolder } from './_memory-folder.ts';
import { tinyConfig } from './_tiny-model.ts';

const config = parseModelConfig(tinyConfig(true));
const settings = { rank: 2, alpha: 4, rankStabilised: false, dropout: 0, baseModel: null };
const matrix = (rows: number, columns: number): Tensor => ({
  dtype: 'F32',
  shape: [rows, columns],
  data: Float32Array.from({ length: rows * columns }, (_, i) => i),
});

const q = 'layers.0.self_attn.q_proj';
/** Keys and matrices of an adapter on q_proj (8 inputs, 12 outputs) under a prefix. */
const pair = (prefix: string, rank = 2): [string, Tensor][] => [
  [`${prefix}.lora_A.weight`, matrix(rank, 8)],
  [`${prefix}.lora_B.weight`, matrix(12, rank)],
];
const peft = (extra: object = {}) => ({ peft_type: 'LORA', r: 2, lora_alpha: 4, ...extra });

const folderOf = async (json: object, tensors: [string, Tensor][]): Promise<MemoryFolder> => {
  const folder = memoryFolder();
  folder.put('adapter_config.json', json);
  await writeSafetensors(folder, 'adapter_model.safetensors', new Map(tensors));
  return folder;
};

describe.skipIf(!hasShared).each(['qwen2_vl', 'qwen2_5_vl'])('the golden adapter of %s', (family) => {
  it('is read whole, and written again with the bytes that PEFT wrote', async () => {
    const model = await readModelConfig(nodeFolder(shared(`golden/${family}`)));
    const adapter = await readAdapter(nodeFolder(shared(`golden/${family}/adapter`)), model);
    expect(adapter.modules.size).toBe(14);
    expect(scaleOf(adapter.modules.get('model.layers.1.mlp.down_proj')!, adapter.settings)).toBe(2);
    expect(adapter.trainedOn).toBeUndefined();
    const folder = memoryFolder();
    await writeAdapter(folder, adapter);
    const golden = readFileSync(shared(`golden/${family}/adapter/adapter_model.safetensors`));
    expect(Buffer.compare(folder.files.get('adapter_model.safetensors')!, golden)).toBe(0);
    const again = await readAdapter(folder, model);
    expect(again.modules).toEqual(adapter.modules);
  });
});

describe('readAdapter', () => {
  it.each([
    ['transformers ≥ 4.52', `base_model.model.model.language_model.${q}`],
    ['older transformers', `base_model.model.model.${q}`],
  ])('reads the names of %s', async (_, prefix) => {
    const adapter = await readAdapter(await folderOf(peft(), pair(prefix)), config);
    expect([...adapter.modules.keys()]).toEqual([`model.${q}`]);
    expect(adapter.modules.get(`model.${q}`)).toMatchObject({ rank: 2, alpha: 4, inputs: 8, outputs: 12 });
  });

  it.each(['base_model.model.model.visual.blocks.0.attn.qkv', 'base_model.model.visual.blocks.0.attn.qkv'])(
    'reads an adapter on the vision tower: %s',
    async (prefix) => {
      const tensors: [string, Tensor][] = [
        [`${prefix}.lora_A.weight`, matrix(2, 8)],
        [`${prefix}.lora_B.weight`, matrix(24, 2)],
      ];
      const adapter = await readAdapter(await folderOf(peft(), tensors), config);
      expect([...adapter.modules.keys()]).toEqual(['visual.blocks.0.attn.qkv']);
    },
  );

  it('honours rank_pattern, alpha_pattern and rank stabilisation', async () => {
    const json = peft({
      use_rslora: true,
      rank_pattern: { 'layers\\.0\\..*q_proj': 4 },
      alpha_pattern: { q_proj: 6 },
    });
    const adapter = await readAdapter(
      await folderOf(json, pair(`base_model.model.model.language_model.${q}`, 4)),
      config,
    );
    const lora = adapter.modules.get(`model.${q}`)!;
    expect(lora).toMatchObject({ rank: 4, alpha: 6 });
    expect(scaleOf(lora, adapter.settings)).toBe(3);
  });

  it('lists every key that matches no layer', async () => {
    const folder = await folderOf(peft(), [
      ...pair(`base_model.model.model.${q}`),
      ...pair('base_model.model.model.layers.7.self_attn.q_proj'),
      ['base_model.model.model.embed_tokens.lora_embedding_A', matrix(2, 12)],
    ]);
    await expect(readAdapter(folder, config)).rejects.toThrow(AdapterError);
    await expect(readAdapter(folder, config)).rejects.toThrow(
      /no linear layer of the model: .*embed_tokens\.lora_embedding_A, .*layers\.7\.self_attn\.q_proj\.lora_A\.weight, .*lora_B/,
    );
  });

  it('refuses one layer under two names', async () => {
    const folder = await folderOf(peft(), [
      ...pair(`base_model.model.model.${q}`),
      ...pair(`base_model.model.model.language_model.${q}`),
    ]);
    await expect(readAdapter(folder, config)).rejects.toThrow(/match no linear layer.*lora_A/);
  });

  it('refuses half a pair, no pairs, and matrices of another size or rank', async () => {
    const prefix = `base_model.model.model.${q}`;
    await expect(readAdapter(await folderOf(peft(), pair(prefix).slice(0, 1)), config)).rejects.toThrow(
      `lora_A or lora_B is missing for model.${q}`,
    );
    await expect(readAdapter(await folderOf(peft(), []), config)).rejects.toThrow('holds no LoRA matrices');
    await expect(readAdapter(await folderOf(peft({ r: 3 }), pair(prefix)), config)).rejects.toThrow(
      /lora_A\.weight is \[2, 8\], the model and adapter_config\.json ask for \[3, 8\]/,
    );
    const wide: [string, Tensor][] = [pair(prefix)[0]!, [`${prefix}.lora_B.weight`, matrix(10, 2)]];
    await expect(readAdapter(await folderOf(peft(), wide), config)).rejects.toThrow(
      /lora_B\.weight is \[10, 2\]/,
    );
  });
});

describe('parseAdapterConfig', () => {
  it.each([
    [{ use_dora: true }, 'use_dora = true is not implemented'],
    [{ lora_bias: true }, 'lora_bias = true is not implemented'],
    [{ modules_to_save: ['lm_head'] }, 'modules_to_save = ["lm_head"] is not implemented'],
    [{ fan_in_fan_out: true }, 'fan_in_fan_out = true is not implemented'],
    [{ layer_replication: [[0, 2]] }, 'layer_replication = [[0,2]] is not implemented'],
    [{ something_new: 1 }, 'something_new = 1 is not implemented'],
    [{ bias: 'all' }, 'only "none" is implemented'],
    [{ peft_type: 'IA3' }, 'only LORA is implemented'],
    [{ init_lora_weights: 'pissa' }, 'init_lora_weights'],
    [{ rank_pattern: { '(': 4 } }, 'pattern "(" is not a regular expression'],
    [{ r: 0 }, 'at r'],
  ])('refuses %j', (extra, message) => {
    expect(() => parseAdapterConfig(peft(extra), 'a.json')).toThrow(message);
    expect(() => parseAdapterConfig(peft(extra), 'a.json')).toThrow(AdapterConfigError);
  });

  it('takes keys that are switched off, whatever they are', () => {
    const off = {
      use_dora: false,
      modules_to_save: null,
      corda_config: null,
      loftq_config: {},
      new_thing: false,
    };
    expect(parseAdapterConfig(peft(off), 'a.json')).toMatchObject({ rank: 2, alpha: 4 });
  });
});

const lora = (rank: number, alpha: number) => ({
  rank,
  alpha,
  a: new Float32Array(rank * 8).fill(1),
  b: new Float32Array(12 * rank).fill(2),
  inputs: 8,
  outputs: 12,
});

describe('writeAdapter', () => {
  it('says which layers it is for so that PEFT finds them under old and new names, and nothing else', async () => {
    const folder = memoryFolder();
    const modules = new Map([[`model.${q}`, lora(2, 4)]]);
    await writeAdapter(folder, { settings, modules, trainedOn: undefined });
    const json = JSON.parse(await folder.readText('adapter_config.json')) as { target_modules: string[] };
    expect(json).toMatchObject({ peft_type: 'LORA', r: 2, lora_alpha: 4, bias: 'none', use_rslora: false });
    // PEFT's rule: a module is a target if its name is one of the list or ends in a dot and one of them.
    const isTarget = (name: string) => json.target_modules.some((t) => name === t || name.endsWith(`.${t}`));
    expect(isTarget(inMemoryName(`model.${q}`))).toBe(true);
    expect(isTarget(`model.${q}`)).toBe(true);
    expect(isTarget('model.language_model.layers.0.self_attn.k_proj')).toBe(false);
    expect(folder.files.has('provenance.json')).toBe(false);
  });

  it('records ranks that differ and the weights it was trained on, and both come back', async () => {
    const folder = memoryFolder();
    const trainedOn = `sha256:${'a'.repeat(64)}`;
    const modules = new Map([
      [`model.${q}`, lora(3, 9)],
      ['visual.blocks.0.attn.proj', { ...lora(2, 4), outputs: 8, b: new Float32Array(16).fill(3) }],
    ]);
    await writeAdapter(folder, { settings, modules, trainedOn });
    const read = await readAdapter(folder, config);
    expect(read.modules).toEqual(modules);
    expect(read.trainedOn).toBe(trainedOn);
    expect(() => checkTrainedOn(read, trainedOn, 'here')).not.toThrow();
    const other = `sha256:${'b'.repeat(64)}`;
    expect(() => checkTrainedOn(read, other, 'here')).toThrow(WrongBase);
    expect(() => checkTrainedOn(read, other, 'here')).toThrow(
      new RegExp(`${trainedOn}, but here has ${other}`),
    );
  });
});
