import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { nodeFolder } from '../../../../activities/nn/runtime/files.ts';
import { flatLayout } from '../../../../activities/nn/training/flat-layout.ts';
import {
  DamagedState,
  readTrainerState,
  readTrainingState,
  StateMismatch,
  writeTrainingState,
} from '../../../../activities/nn/training/state.ts';
import type { TrainingState } from '../../../../activities/nn/training/state.ts';
import type { TrainerState } from '../../../../schemas/trainer-state.ts';
import { inFloat32 } from '../../_compute.ts';

const layout = flatLayout([{ name: 'a', shape: [2, 2] }]);
const state: TrainingState = {
  state: {
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

const digest = `sha256:${'0'.repeat(64)}`;
const made: Pick<TrainerState, 'setting' | 'settingDigest'> = {
  setting: { params: { rank: 4 }, compute: inFloat32, inputs: { model: digest, adapter: null } },
  settingDigest: digest,
};

describe('a training checkpoint', () => {
  let folder: string;
  beforeEach(async () => void (folder = await mkdtemp(join(tmpdir(), 'state-'))));
  afterEach(() => rm(folder, { recursive: true }));

  const write = (given: TrainingState = state): Promise<void> =>
    writeTrainingState(nodeFolder(folder), given, made);
  const read = async (wanted = layout): Promise<TrainingState> =>
    readTrainingState(nodeFolder(folder), await readTrainerState(nodeFolder(folder), 'sft'), wanted);

  it('comes back bit by bit, with the setting it was made in', async () => {
    await write();
    const back = await read();
    expect(back.state).toEqual(state.state);
    expect(await readTrainerState(nodeFolder(folder), 'sft')).toEqual({
      version: 2,
      ...state.state,
      ...made,
    });
    for (const k of ['values', 'm', 'v'] as const)
      expect(new Uint32Array(back.arrays[k].slice().buffer)).toEqual(
        new Uint32Array(state.arrays[k].slice().buffer),
      );
  });

  it('holds the best values too, where they are kept', async () => {
    const best = Float32Array.of(5, 6, 7, 8);
    await write({ ...state, best });
    expect((await read()).best).toEqual(best);
    await rm(join(folder, 'state.safetensors'));
    await write();
    expect((await read()).best).toBeUndefined();
  });

  it('is refused by another job and by another model', async () => {
    await write();
    await expect(readTrainerState(nodeFolder(folder), 'gba')).rejects.toThrow(
      'job is sft, this training has gba',
    );
    await expect(read(flatLayout([{ name: 'a', shape: [4] }]))).rejects.toThrow(StateMismatch);
  });

  it('of version 1 is refused, since nothing says by what it was made', async () => {
    const old = { version: 1, ...state.state };
    await writeFile(join(folder, 'trainer_state.json'), JSON.stringify(old));
    await expect(read()).rejects.toThrow(StateMismatch);
    await expect(read()).rejects.toThrow(`${folder}/trainer_state.json: version 1`);
  });

  it('is refused when damaged, with the file and the field', async () => {
    await write();
    const file = join(folder, 'trainer_state.json');
    const whole = JSON.parse(await readFile(file, 'utf8')) as object;
    const tensors = await readFile(join(folder, 'state.safetensors'));
    await writeFile(join(folder, 'state.safetensors'), tensors.subarray(0, -4));
    await expect(read()).rejects.toThrow('truncated');
    for (const [field, damaged] of [
      ['version', { ...whole, version: 3 }],
      ['setting.compute', { ...whole, setting: { ...made.setting, compute: undefined } }],
      ['settingDigest', { ...whole, settingDigest: 'sha256:0' }],
      ['more', { ...whole, more: 1 }],
    ] as const) {
      await writeFile(file, JSON.stringify(damaged));
      await expect(read(), field).rejects.toThrow(DamagedState);
      await expect(read(), field).rejects.toThrow(new RegExp(`${file}: .*${field}`));
    }
    await writeFile(file, '{"version":2,');
    await expect(read()).rejects.toThrow(`${file} is not JSON`);
  });
});
