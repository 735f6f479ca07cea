import { describe, expect, it } from 'vitest';
import { CheckpointError, openCheckpoint } from '../../../../activities/nn/checkpoint/checkpoint.ts';
import { openSafetensors, writeSafetensors } from '../../../../activities/nn/checkpoint/safetensors-file.ts';
import { inMemoryName } from '../../../../activities/nn/checkpoint/tensor-names.ts';
import { copyCompanions, writeWeights } from '../../../../activities/nn/checkpoint/write-checkpoint.ts';
import { nodeFolder } from '../../../../activities/nn/runtime/files.ts';
import { weightsDigest } from '../../../../activities/nn/runtime/weights-digest.ts';
import { hasShared, shared } from '../../../_shared.ts';
import { memoryFolder, type MemoryFolder } from './_memory-folder.ts';
import { tinyConfig, tinyModel, tinyTensors } from './_tiny-model.ts';

/** The tiny model's folder with its tensors changed. */
const changed = async (
  change: (tensors: ReturnType<typeof tinyTensors>) => void,
  tied = true,
): Promise<MemoryFolder> => {
  const folder = await tinyModel(tied);
  const tensors = tinyTensors(tied);
  change(tensors);
  await writeSafetensors(folder, 'model.safetensors', tensors);
  return folder;
};

describe.skipIf(!hasShared).each(['qwen2_vl', 'qwen2_5_vl'])('the golden model %s', (family) => {
  it('opens under the names it has on disk and reads what the file holds', async () => {
    const folder = nodeFolder(shared(`golden/${family}`));
    const checkpoint = await openCheckpoint(folder);
    const file = await openSafetensors(folder, 'model.safetensors');
    expect([...checkpoint.tensors.keys()].toSorted()).toEqual([...file.tensors.keys()].toSorted());
    for (const name of ['model.norm.weight', 'visual.patch_embed.proj.weight'])
      expect(await checkpoint.read(name)).toEqual(await file.read(name));
    await checkpoint.close();
    await file.close();
  });
});

describe('openCheckpoint', () => {
  it('opens a head of its own where the config does not tie it', async () => {
    const checkpoint = await openCheckpoint(await tinyModel(false));
    expect(checkpoint.tensors.get('lm_head.weight')).toMatchObject({ shape: [12, 8], dtype: 'F32' });
    expect((await openCheckpoint(await tinyModel(true))).tensors.has('lm_head.weight')).toBe(false);
  });

  it('knows tensors by their names on disk when the file has those of transformers’ memory', async () => {
    const folder = await changed((tensors) => {
      for (const [name, tensor] of tinyTensors(false)) {
        tensors.delete(name);
        tensors.set(inMemoryName(name), tensor);
      }
    }, false);
    const renamed = await openCheckpoint(folder);
    expect(
      (await openSafetensors(folder, 'model.safetensors')).tensors.has('model.visual.merger.ln_q.weight'),
    ).toBe(true);
    expect([...renamed.tensors.keys()]).toEqual([...tinyTensors(false).keys()]);
    expect(await weightsDigest(renamed)).toBe(
      await weightsDigest(await openCheckpoint(await tinyModel(false))),
    );
  });

  it('takes the patch embedding as a matrix or as a convolution’s kernel', async () => {
    const name = 'visual.patch_embed.proj.weight';
    const five = await changed((tensors) =>
      tensors.set(name, { ...tensors.get(name)!, shape: [8, 3, 2, 2, 2] }),
    );
    expect((await openCheckpoint(five)).tensors.get(name)!.shape).toEqual([8, 3, 2, 2, 2]);
    const turned = await changed((tensors) => tensors.set(name, { ...tensors.get(name)!, shape: [24, 8] }));
    await expect(openCheckpoint(turned)).rejects.toThrow(
      /patch_embed\.proj\.weight is \[24, 8\].*asks for \[8, 24\]/,
    );
  });

  it('reads bfloat16 as the float32 it stands for', async () => {
    const checkpoint = await openCheckpoint(await tinyModel(true, 'BF16'));
    const values = await checkpoint.read('model.norm.weight');
    expect(values.some((x) => x !== 0)).toBe(true);
    expect([...new Uint32Array(values.buffer)].every((bits) => (bits & 0xffff) === 0)).toBe(true);
    expect((await checkpoint.readRaw('model.norm.weight')).byteLength).toBe(16);
  });

  it('lists tensors that are missing and tensors nobody asked for', async () => {
    const folder = await changed((tensors) => {
      tensors.set('model.layers.1.mlp.up_proj.weight', tensors.get('model.layers.0.mlp.up_proj.weight')!);
      tensors.delete('model.norm.weight');
    });
    await expect(openCheckpoint(folder)).rejects.toThrow(CheckpointError);
    await expect(openCheckpoint(folder)).rejects.toThrow(
      'mem: its tensors are not those that config.json describes; missing: model.norm.weight; unknown: model.layers.1.mlp.up_proj.weight',
    );
  });

  it('refuses a stored head that the config ties to the embedding', async () => {
    const folder = await tinyModel(false);
    folder.put('config.json', tinyConfig(true));
    await expect(openCheckpoint(folder)).rejects.toThrow(
      'tie_word_embeddings is true, so lm_head.weight must not be stored',
    );
  });

  it('refuses a tensor of another shape, of integers, or there under two names', async () => {
    const transposed = await changed((tensors) => {
      const name = 'model.layers.0.mlp.up_proj.weight';
      tensors.set(name, { ...tensors.get(name)!, shape: [8, 10] });
    });
    await expect(openCheckpoint(transposed)).rejects.toThrow(
      /up_proj\.weight is \[8, 10\], config\.json asks for \[10, 8\]/,
    );
    const integers = await changed((tensors) => {
      tensors.set('model.norm.weight', { dtype: 'I32', shape: [8], data: new Int32Array(8) });
    });
    await expect(openCheckpoint(integers)).rejects.toThrow('model.norm.weight is I32');
    const twice = await changed((tensors) => {
      tensors.set('model.language_model.norm.weight', tensors.get('model.norm.weight')!);
    });
    await expect(openCheckpoint(twice)).rejects.toThrow('tensor model.norm.weight is there twice');
  });

  it('names a folder without weights, and a config that is not JSON', async () => {
    const folder = memoryFolder();
    folder.put('config.json', tinyConfig(true));
    await expect(openCheckpoint(folder)).rejects.toThrow(
      'mem: neither model.safetensors nor model.safetensors.index.json is there',
    );
    folder.put('config.json', '{');
    await expect(openCheckpoint(folder)).rejects.toThrow('mem/config.json is not JSON');
  });
});

const sharded = async (): Promise<MemoryFolder> => {
  const folder = memoryFolder();
  const source = await tinyModel(false);
  const checkpoint = await openCheckpoint(source);
  await copyCompanions(source, folder);
  await writeWeights(folder, [...checkpoint.tensors.values()], (spec) => checkpoint.readRaw(spec.name), 1500);
  return folder;
};
const index = (
  folder: MemoryFolder,
): { weight_map: Record<string, string>; metadata: { total_size: number } } =>
  JSON.parse(new TextDecoder().decode(folder.files.get('model.safetensors.index.json'))) as never;

describe('a model in shards', () => {
  it('holds the same weights as in one file', async () => {
    const folder = await sharded();
    const shards = [...folder.files.keys()].filter((name) => name.startsWith('model-'));
    expect(shards.length).toBeGreaterThan(2);
    expect(shards[0]).toBe(`model-00001-of-0000${shards.length}.safetensors`);
    const checkpoint = await openCheckpoint(folder);
    expect(await weightsDigest(checkpoint)).toBe(
      await weightsDigest(await openCheckpoint(await tinyModel(false))),
    );
    const bytes = [...checkpoint.tensors.values()].reduce(
      (sum, { shape }) => sum + 4 * shape.reduce((n, x) => n * x, 1),
      0,
    );
    expect(index(folder).metadata.total_size).toBe(bytes);
  });

  it('is refused when a shard is missing', async () => {
    const folder = await sharded();
    folder.files.delete([...folder.files.keys()].find((name) => name.startsWith('model-00002'))!);
    await expect(openCheckpoint(folder)).rejects.toThrow(/shards are missing: model-00002/);
  });

  it('is refused when the index leads out of the folder', async () => {
    const folder = await sharded();
    const { weight_map, metadata } = index(folder);
    folder.put('model.safetensors.index.json', {
      metadata,
      weight_map: { ...weight_map, 'model.norm.weight': '../secret.safetensors' },
    });
    await expect(openCheckpoint(folder)).rejects.toThrow(
      '"../secret.safetensors" is not the name of a safetensors file',
    );
  });

  it('is refused when index and shards disagree', async () => {
    const folder = await sharded();
    const { weight_map, metadata } = index(folder);
    const { 'model.norm.weight': _norm, ...rest } = weight_map;
    folder.put('model.safetensors.index.json', { metadata, weight_map: rest });
    await expect(openCheckpoint(folder)).rejects.toThrow(
      /holds tensor model\.norm\.weight, which .* puts in no file/,
    );
    folder.put('model.safetensors.index.json', {
      metadata,
      weight_map: { ...weight_map, extra: Object.values(weight_map)[0] },
    });
    await expect(openCheckpoint(folder)).rejects.toThrow('tensors are not in their shards: extra');
  });
});

describe('copyCompanions', () => {
  it('copies what belongs to a model, and says the weights’ new type wherever the config states one', async () => {
    const from = await tinyModel();
    from.put('config.json', { ...tinyConfig(true), text_config: { dtype: 'float32', layers: [1] } });
    from.put('tokenizer.json', '{"a": 1}');
    from.put('optimizer.pt', 'x');
    const to = memoryFolder();
    await copyCompanions(from, to, 'BF16');
    expect([...to.files.keys()].toSorted()).toEqual(['config.json', 'tokenizer.json']);
    expect(await to.readText('tokenizer.json')).toBe('{"a": 1}');
    expect(JSON.parse(await to.readText('config.json'))).toMatchObject({
      torch_dtype: 'bfloat16',
      text_config: { dtype: 'bfloat16', layers: [1] },
    });
  });
});
