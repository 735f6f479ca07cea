import { describe, expect, it } from 'vitest';
import { parseModelConfig } from '../../../activities/nn/models/config.ts';
import { modelParameters } from '../../../activities/nn/models/parameters.ts';
import { positionIds } from '../../../activities/nn/models/position-ids.ts';
import { normal, randomKey, uniform } from '../../../activities/nn/random.ts';
import type { TrainingState } from '../../../activities/nn/training/state.ts';
import { modelTensors, pretrainLayout, startModel } from '../../../activities/pretrain/layout.ts';
import { trainFromScratch } from '../../../activities/pretrain/train.ts';
import type { PretrainJob, PretrainRow } from '../../../activities/pretrain/train.ts';
import { OptimizerSettings } from '../../../schemas/optimizer-settings.ts';

const IMAGE = 40;
const config = parseModelConfig({
  model_type: 'qwen2_vl',
  image_token_id: IMAGE,
  video_token_id: 41,
  vision_start_token_id: 42,
  vision_end_token_id: 43,
  tie_word_embeddings: true,
  vocab_size: 48,
  hidden_size: 32,
  intermediate_size: 40,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  rope_theta: 10_000,
  rope_scaling: { type: 'mrope', mrope_section: [2, 1, 1] },
  vision_config: { depth: 1, embed_dim: 16, hidden_size: 32, num_heads: 2, mlp_ratio: 2 },
});
const grid = { t: 1, h: 4, w: 4 };
const PATCHES = 16 * 1176;

/** Two kinds of picture, each followed by its own answer, and text whose next token is one more. */
const rowOf = (index: number): PretrainRow => {
  const [kind = 0, from = 0, length = 0] = uniform(randomKey(1, 'row', index), 3);
  const pictured = index % 2 === 0;
  const which = kind < 0.5 ? 0 : 1;
  const start = Math.floor(from * 16);
  const ids = pictured
    ? [42, IMAGE, IMAGE, IMAGE, IMAGE, 43, 30 + which]
    : Array.from({ length: 6 + Math.floor(length * 6) }, (_, i) => (start + i) % 24);
  const noise = normal(randomKey(2, 'pixels', index), PATCHES);
  return {
    id: `${index}`,
    ids: Int32Array.from(ids),
    positions: positionIds(ids, pictured ? [grid] : [], config).ids,
    targets: Int32Array.from(pictured ? [5] : ids.slice(1).map((_, i) => i)),
    imageTokens: pictured ? 4 : 0,
    pixels: pictured ? [noise.map((x, i) => 0.2 * x + (i % 1176 < 588 === (which === 0) ? 1 : -1))] : [],
  };
};

const job = (steps: number): PretrainJob => ({
  config,
  seed: 3,
  steps,
  optimizer: OptimizerSettings.parse({
    learningRate: 1e-2,
    schedule: 'linear',
    warmupSteps: 3,
    betas: [0.9, 0.98],
    maxGradNorm: 1,
  }),
  rows: (step) => Array.from({ length: 8 }, (_, i) => rowOf(step * 8 + i)),
  grid,
  imagesPerRow: 1,
  maxTokens: 12,
  lossNormalisation: 'token',
  execution: 'graph',
});

const quiet = {
  progress: () => {},
  checkpoint: () => Promise.resolve(),
  signal: new AbortController().signal,
};

/** A checkpoint at a step that was never trained up to. */
const stateAt = (job: PretrainJob, step: number): TrainingState => {
  const layout = pretrainLayout(job.config).flat;
  const zeros = new Float32Array(layout.size);
  return {
    state: {
      job: 'pretrain',
      step,
      totalSteps: job.steps,
      layout: layout.entries.map((e) => ({ name: e.name, shape: [...e.shape] })),
      history: [],
    },
    arrays: { values: startModel(pretrainLayout(job.config), job.seed), m: zeros, v: zeros },
  };
};

describe('training from scratch', () => {
  it('gives every parameter of the model, at first as its own seed has it', () => {
    const layout = pretrainLayout(config);
    const tensors = modelTensors(layout, startModel(layout, 3));
    const wanted = modelParameters(config);
    expect(tensors.size).toBe(wanted.length);
    for (const { name, shape } of wanted) expect(tensors.get(name)?.shape, name).toEqual(shape);
    expect(tensors.get('model.norm.weight')!.data.every((x) => x === 1)).toBe(true);
    expect(tensors.get('model.layers.0.self_attn.q_proj.bias')!.data.every((x) => x === 0)).toBe(true);
    const k = tensors.get('model.layers.1.self_attn.k_proj.weight')!.data;
    const spread = Math.sqrt(k.reduce((s, x) => s + x * x, 0) / k.length);
    expect(spread * Math.sqrt(32)).toBeGreaterThan(0.6);
    expect(spread * Math.sqrt(32)).toBeLessThan(0.8);
    expect(startModel(layout, 4)).not.toEqual(startModel(layout, 3));
  });

  it('learns text and pictures, the vision tower too', async () => {
    const { history, tensors } = await trainFromScratch(job(45), quiet);
    expect(history[0]!.loss).toBeGreaterThan(2.5);
    const last = history.slice(-5).reduce((s, m) => s + m.loss, 0) / 5;
    expect(last).toBeLessThan(history[0]!.loss / 2);
    const layout = pretrainLayout(config);
    const start = modelTensors(layout, startModel(layout, 3));
    const patch = 'visual.patch_embed.proj.weight';
    expect(tensors.get(patch)!.data).not.toEqual(start.get(patch)!.data);
  });

  it('comes to the same bits when it is stopped and goes on from its checkpoint', async () => {
    const states = new Map<number, TrainingState>();
    const whole = await trainFromScratch(
      job(6),
      { ...quiet, checkpoint: async (step, state) => void states.set(step, structuredClone(state())) },
      undefined,
      { checkpointSeconds: 3600, checkpointSteps: 3 },
    );
    expect([...states.keys()]).toEqual([3]);
    const resumed = await trainFromScratch(job(6), quiet, states.get(3)!);
    expect(resumed.history).toEqual(whole.history);
    for (const [name, { data }] of resumed.tensors) expect(data, name).toEqual(whole.tensors.get(name)!.data);
  });

  it('refuses a row longer than it was told of', async () => {
    const long: PretrainJob = {
      ...job(65),
      rows: (step) => (step === 64 ? [{ ...rowOf(1), ids: new Int32Array(40) }] : [rowOf(2 * step)]),
    };
    const resume = stateAt(long, 64);
    await expect(trainFromScratch(long, quiet, resume)).rejects.toThrow(
      'no batch shape takes a row of 40 tokens',
    );
  });
});
