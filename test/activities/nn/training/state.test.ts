import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { nodeFolder } from '../../../../activities/nn/runtime/files.ts';
import { flatLayout } from '../../../../activities/nn/training/flat-layout.ts';
import {
  readTrainingState,
  StateMismatch,
  writeTrainingState,
} from '../../../../activities/nn/training/state.ts';
import type { TrainingState } from '../../../../activities/nn/training/state.ts';

const layout = flatLayout([{ name: 'a', shape: [2, 2] }]);
const job = { job: 'sft', totalSteps: 9, layout } as const;
const state: TrainingState = {
  state: {
    version: 1,
    job: 'sft',
    step: 4,
    totalSteps: 9,
    layout: [{ name: 'a', shape: [2, 2] }],
    history: [{ step: 1, loss: 0.1 + 0.2, learningRate: 1e-3, gradNorm: 2, tokens: 7 }],
  },
  arrays: {
    values: Float32Array.of(1, 2, 3, Math.fround(0.1)),
    m: Float32Array.of(-0, 1e-40, 3, 4),
    v: Float32Array.of(9, 8, 7, 6),
  },
};

describe('a training checkpoint', () => {
  let folder: string;
  beforeEach(async () => void (folder = await mkdtemp(join(tmpdir(), 'state-'))));
  afterEach(() => rm(folder, { recursive: true }));

  it('comes back bit by bit', async () => {
    await writeTrainingState(nodeFolder(folder), state);
    const back = await readTrainingState(nodeFolder(folder), job);
    expect(back.state).toEqual(state.state);
    for (const k of ['values', 'm', 'v'] as const)
      expect(new Uint32Array(back.arrays[k].slice().buffer)).toEqual(
        new Uint32Array(state.arrays[k].slice().buffer),
      );
  });

  it('holds the best values too, where they are kept', async () => {
    const best = Float32Array.of(5, 6, 7, 8);
    await writeTrainingState(nodeFolder(folder), { ...state, best });
    expect((await readTrainingState(nodeFolder(folder), job)).best).toEqual(best);
    const other = join(folder, 'without');
    await writeTrainingState(nodeFolder(other), state);
    expect((await readTrainingState(nodeFolder(other), job)).best).toBeUndefined();
  });

  it('is refused by another job, other steps or another model', async () => {
    await writeTrainingState(nodeFolder(folder), state);
    const read = (other: object) => readTrainingState(nodeFolder(folder), { ...job, ...other });
    await expect(read({ job: 'gba' })).rejects.toThrow('job is sft, this training has gba');
    await expect(read({ totalSteps: 10 })).rejects.toThrow(StateMismatch);
    await expect(read({ layout: flatLayout([{ name: 'a', shape: [4] }]) })).rejects.toThrow(StateMismatch);
  });

  it('is refused when damaged', async () => {
    await writeTrainingState(nodeFolder(folder), state);
    const tensors = await readFile(join(folder, 'state.safetensors'));
    await writeFile(join(folder, 'state.safetensors'), tensors.subarray(0, -4));
    await expect(readTrainingState(nodeFolder(folder), job)).rejects.toThrow('truncated');
    await writeFile(join(folder, 'trainer_state.json'), '{"version":2}');
    await expect(readTrainingState(nodeFolder(folder), job)).rejects.toThrow();
  });
});
