import { copyFile, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mergeStage } from '../../../activities/merge/activity.ts';
import { readAdapter, writeAdapter } from '../../../activities/nn/checkpoint/adapter.ts';
import { readModelConfig } from '../../../activities/nn/checkpoint/checkpoint.ts';
import { openSafetensors, writeSafetensors } from '../../../activities/nn/checkpoint/safetensors-file.ts';
import type { Tensor } from '../../../activities/nn/checkpoint/safetensors-file.ts';
import { openAnswerer } from '../../../activities/nn/generation/answerer.ts';
import { forwardPrompt } from '../../../activities/nn/generation/forward-prompt.ts';
import { nodeFolder } from '../../../activities/nn/runtime/files.ts';
import { openInferenceModel } from '../../../activities/nn/runtime/inference-model.ts';
import { adapterLayout, trainedAdapter } from '../../../activities/nn/training/adapter.ts';
import { normal, randomKey } from '../../../activities/nn/random.ts';
import { MergeParams } from '../../../schemas/merge-params.ts';
import type { Message } from '../../../schemas/message.ts';
import { expectAllClose } from '../../_allclose.ts';
import { hasShared, shared } from '../../_shared.ts';
import { inFloat32 } from '../_compute.ts';

const TARGETS = ['language', 'vision', 'merger'] as const;

describe.skipIf(!hasShared).each(['qwen2_vl', 'qwen2_5_vl'])('an adapter of the tower of %s', (family) => {
  const base = shared(`golden/${family}`);
  let scratch: string;
  let adapter: string;
  let model: string;
  let vector: string;
  let messages: Message[];
  let images: number[];

  beforeAll(async () => {
    scratch = await mkdtemp(join(tmpdir(), 'merge-tower-'));
    [adapter, model, vector] = ['adapter', 'model', 'vector'].map((name) => join(scratch, name)) as [
      string,
      string,
      string,
    ];
    const { cases } = JSON.parse(await readFile(join(base, 'expected.json'), 'utf8')) as {
      cases: { name: string; messages: Message[]; images: number[] }[];
    };
    ({ messages, images } = cases.find(({ name }) => name === 'image')!);
    const config = await readModelConfig(nodeFolder(base));
    const layout = adapterLayout(config, 4, TARGETS);
    const values = normal(randomKey(1), layout.size).map((x) => x / 10);
    const settings = { rank: 4, alpha: 8, targets: TARGETS, dropout: 0, trainedOn: 'unknown' };
    await mkdir(adapter);
    const trained = trainedAdapter(config, layout, values, settings);
    await writeAdapter(nodeFolder(adapter), { ...trained, trainedOn: undefined });
    await mergeStage.run(MergeParams.parse({ method: 'task-arithmetic' }), {
      inputs: { base, 'adapter.AM': adapter },
      compute: inFloat32,
      outputs: { model, vector },
      resume: undefined,
      checkpoint: async () => {},
      progress: () => {},
      log: () => {},
      signal: new AbortController().signal,
    });
  });
  afterAll(() => rm(scratch, { recursive: true }));

  const pass = async (folder: string, withAdapter?: string) => {
    await using opened = await openInferenceModel({ model: folder, adapter: withAdapter });
    const paths = images.map((i) => shared(`golden/image-${i}.png`));
    const prompt = await opened.encode('p', messages, paths, '/');
    const tensors = await forwardPrompt(opened, prompt);
    using answerer = await openAnswerer({
      ...opened,
      prompts: [prompt],
      maxNewTokens: 8,
      sampled: false,
    });
    const sampling = { maxNewTokens: 8, stopTokens: [], temperature: 0, seed: 0 };
    const [[completion] = []] = await answerer.answer(sampling);
    const of = (name: string): number[] => Array.from(tensors.get(name)!.data as Float32Array);
    return { embeds: of('image_embeds'), logits: of('logits'), tokens: completion!.tokens };
  };

  it('embeds, scores and answers as the merged model does, and unlike the base', async () => {
    const [beside, merged, without] = [await pass(base, adapter), await pass(model), await pass(base)];
    expectAllClose(beside.embeds, merged.embeds, { rtol: 0, atol: 1e-5 }, 'embeddings');
    expectAllClose(beside.logits, merged.logits, { rtol: 0, atol: 2e-3 }, 'logits');
    expect(beside.tokens).toEqual(merged.tokens);
    expect(Math.max(...beside.embeds.map((x, i) => Math.abs(x - without.embeds[i]!)))).toBeGreaterThan(1e-2);
  });

  it('has a task vector for each of its layers, under the names of the base', async () => {
    const config = await readModelConfig(nodeFolder(base));
    const { modules } = await readAdapter(nodeFolder(adapter), config);
    const file = await openSafetensors(nodeFolder(vector), 'vector.safetensors');
    expect([...file.tensors.keys()].sort()).toEqual([...modules.keys()].map((m) => `${m}.weight`).sort());
    await file.close();
    expect([...modules.keys()].filter((m) => m.startsWith('visual.')).length).toBeGreaterThan(9);
  });

  it('is read under the names of transformers before 4.52 too', async () => {
    const config = await readModelConfig(nodeFolder(base));
    const old = join(scratch, 'old');
    await mkdir(old);
    const file = await openSafetensors(nodeFolder(adapter), 'adapter_model.safetensors');
    const tensors = new Map<string, Tensor>();
    for (const [key, { shape }] of file.tensors) {
      const name = key.replace('model.language_model.', 'model.').replace('model.visual.', 'visual.');
      tensors.set(name, { dtype: 'F32', shape, data: await file.read(key) });
    }
    await file.close();
    expect([...tensors.keys()].some((key) => key.startsWith('base_model.model.visual.'))).toBe(true);
    await writeSafetensors(nodeFolder(old), 'adapter_model.safetensors', tensors);
    await copyFile(join(adapter, 'adapter_config.json'), join(old, 'adapter_config.json'));
    const [found, wanted] = [
      await readAdapter(nodeFolder(old), config),
      await readAdapter(nodeFolder(adapter), config),
    ];
    expect(found.modules).toEqual(wanted.modules);
  });
});
