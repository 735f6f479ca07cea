import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { digestOf } from '../../../artifacts/canonical.ts';
import { flatLayout } from '../../../activities/nn/training/flat-layout.ts';
import { DamagedState, StateMismatch } from '../../../activities/nn/training/state.ts';
import type { TrainingState } from '../../../activities/nn/training/state.ts';
import { trainingCheckpoints } from '../../../activities/shell/training-checkpoints.ts';
import type { CheckpointedTraining } from '../../../activities/shell/training-checkpoints.ts';
import { GbaParams } from '../../../schemas/gba-params.ts';
import { demo } from '../../../schemas/presets/demo.ts';
import { SftParams } from '../../../schemas/sft-params.ts';
import { inFloat32 } from '../_compute.ts';

const layout = flatLayout([{ name: 'a', shape: [2] }]);
const numbers = Float32Array.of(1, 2);

interface Given {
  readonly job?: 'sft' | 'gba' | 'pretrain';
  readonly totalSteps?: number;
  readonly params?: object;
  readonly compute?: object;
  readonly inputs?: Readonly<Record<string, string | null>>;
}

const paramsOf = ({ job = 'sft', params = {} }: Given): object => {
  if (job === 'sft') return SftParams.parse(params);
  if (job === 'gba') return GbaParams.parse({ steps: 9, ...params });
  return { ...demo.base, ...params };
};

const trainingOf = (given: Given): CheckpointedTraining => ({
  job: given.job ?? 'sft',
  totalSteps: given.totalSteps ?? 9,
  layout,
  setting: {
    params: paramsOf(given),
    compute: { ...inFloat32, ...given.compute },
    inputs: { model: digestOf('model'), data: digestOf('data'), validation: null, ...given.inputs } as Record<
      string,
      `sha256:${string}` | null
    >,
  },
});

describe('going on from a training checkpoint', () => {
  let folder: string;
  beforeEach(async () => void (folder = await mkdtemp(join(tmpdir(), 'resume-'))));
  afterEach(() => rm(folder, { recursive: true }));

  const write = (given: Given): Promise<void> => {
    const { job, totalSteps } = trainingOf(given);
    const state: TrainingState = {
      state: { job, totalSteps, step: 4, layout: [{ name: 'a', shape: [2] }], history: [] },
      arrays: { values: numbers, m: numbers, v: numbers },
    };
    return trainingCheckpoints({ resume: undefined, log: () => {} }, trainingOf(given)).write(folder, state);
  };
  /** The lines of the log. */
  const resume = async (given: Given): Promise<string[]> => {
    const lines: string[] = [];
    const io = { resume: folder, log: (line: string) => void lines.push(line) };
    const found = await trainingCheckpoints(io, trainingOf(given)).resume();
    expect(found?.state.step).toBe(4);
    expect(found?.arrays.values).toEqual(numbers);
    return lines;
  };

  it('starts anew where there is none', async () => {
    const io = { resume: undefined, log: () => {} };
    expect(await trainingCheckpoints(io, trainingOf({})).resume()).toBeUndefined();
  });

  it.each<Given>([{ job: 'sft' }, { job: 'gba' }, { job: 'pretrain' }])(
    'goes on in silence with the same setting: %j',
    async (given) => {
      await write(given);
      expect(await resume(given)).toEqual([]);
    },
  );

  const best = { validateEvery: 2, keep: 'best' };
  it.each<[string, Given, Given]>([
    ['params.learningRate is 0.000001, this training has 0.001', {}, { params: { learningRate: 1e-3 } }],
    ['params.rank is 16, this training has 8', {}, { params: { rank: 8 } }],
    ['params.targets is ["language"], this', {}, { params: { targets: ['language', 'merger'] } }],
    ['params.seed is 0, this training has 1', {}, { params: { seed: 1 } }],
    ['params.maxTokens is 8192', {}, { params: { maxTokens: 100 } }],
    ['params.epochs is 3, this training has 4', {}, { params: { epochs: 4 }, totalSteps: 12 }],
    [`inputs.data is "${digestOf('data')}"`, {}, { inputs: { data: digestOf('other') } }],
    [`inputs.model is "${digestOf('model')}"`, {}, { inputs: { model: digestOf('other') } }],
    ['inputs.adapter is null', { inputs: { adapter: null } }, { inputs: { adapter: digestOf('a') } }],
    ['compute.dtype is "float32"', {}, { compute: { dtype: 'bfloat16' } }],
    [
      'compute.arithmetic is "float32"',
      { compute: { dtype: 'bfloat16' } },
      { compute: { dtype: 'bfloat16', arithmetic: 'bfloat16' } },
    ],
    [
      'params.microBatchTokens is 4096',
      { params: { dropout: 0.1 } },
      { params: { dropout: 0.1, microBatchTokens: 64 } },
    ],
    [
      'compute.execution is "graph"',
      { params: { dropout: 0.1 } },
      { params: { dropout: 0.1 }, compute: { execution: 'xla' } },
    ],
    ['params.keep is "last"', { params: { validateEvery: 2 } }, { params: best }],
    ['params.validateEvery is 2', { params: best }, { params: { ...best, validateEvery: 3 } }],
    [
      'inputs.validation is',
      { params: best, inputs: { validation: digestOf('v') } },
      { params: best, inputs: { validation: digestOf('w') } },
    ],
    ['params.rewards.adherence is 0', { job: 'gba' }, { job: 'gba', params: { rewards: { adherence: 1 } } }],
    ['params.temperature is 1', { job: 'gba' }, { job: 'gba', params: { temperature: 0.7 } }],
    [
      'params.steps is 9',
      { job: 'gba', params: { schedule: 'linear' } },
      { job: 'gba', params: { schedule: 'linear', steps: 20 }, totalSteps: 20 },
    ],
    ['params.guidelineMode is "rotate"', { job: 'gba' }, { job: 'gba', params: { guidelineMode: 'none' } }],
    ['params.steps is 1400', { job: 'pretrain' }, { job: 'pretrain', params: { steps: 1500 } }],
    ['params.vision.depth is 2', { job: 'pretrain' }, { job: 'pretrain', params: { vision: { depth: 3 } } }],
  ])('is refused: %s', async (message, before, after) => {
    await write(before);
    await expect(resume(after)).rejects.toThrow(StateMismatch);
    await expect(resume(after)).rejects.toThrow(message);
    await expect(resume(after)).rejects.toThrow(`${folder}/trainer_state.json: `);
    await expect(resume(after)).rejects.toThrow('start anew in an empty folder');
  });

  it('is refused with every field that differs', async () => {
    await write({});
    const other = { params: { alpha: 8, seed: 3 }, inputs: { data: digestOf('other') } };
    await expect(resume(other)).rejects.toThrow(
      /inputs\.data is .*; params\.alpha is 32, this training has 8; params\.seed is 0, this training has 3\. Give/,
    );
  });

  const constant = { schedule: 'constant' };
  it.each<[string, Given, Given]>([
    ['params.microBatchTokens is 4096, this training has 64', {}, { params: { microBatchTokens: 64 } }],
    ['params.recompute is false, this training has true', {}, { params: { recompute: true } }],
    ['compute.intraOpThreads is 1, this training has 8', {}, { compute: { intraOpThreads: 8 } }],
    ['compute.execution is "graph", this training has "xla"', {}, { compute: { execution: 'xla' } }],
    [
      'params.epochs is 3, this training has 5',
      { params: constant },
      { params: { ...constant, epochs: 5 }, totalSteps: 15 },
    ],
    [
      'params.steps is 9, this training has 5',
      { job: 'gba' },
      { job: 'gba', params: { steps: 5 }, totalSteps: 5 },
    ],
    ['params.patience is null, this training has 2', { params: best }, { params: { ...best, patience: 2 } }],
    ['params.validateEvery is null, this training has 2', {}, { params: { validateEvery: 2 } }],
    ['params.keep is "best", this training has "last"', { params: best }, { params: { validateEvery: 2 } }],
    [
      'inputs.validation is null',
      { params: { validateEvery: 2 } },
      { params: { validateEvery: 2 }, inputs: { validation: digestOf('v') } },
    ],
  ])('goes on and says so: %s', async (message, before, after) => {
    await write(before);
    const lines = await resume(after);
    expect(lines).toHaveLength(1);
    expect(lines[0]).toContain(`goes on from step 4, where ${message}`);
  });

  it('is refused by a training that ends before it', async () => {
    await write({ job: 'gba' });
    const shorter: Given = { job: 'gba', params: { steps: 3 }, totalSteps: 3 };
    await expect(resume(shorter)).rejects.toThrow('step is 4, this training has 3 steps in all');
  });

  it('is refused where its setting was changed behind its digest', async () => {
    await write({});
    const file = join(folder, 'trainer_state.json');
    const text = await readFile(file, 'utf8');
    await writeFile(file, text.replace('"rank": 16', '"rank": 8'));
    await expect(resume({ params: { rank: 8 } })).rejects.toThrow(DamagedState);
    await expect(resume({ params: { rank: 8 } })).rejects.toThrow(`${file}: setting`);
  });
});
