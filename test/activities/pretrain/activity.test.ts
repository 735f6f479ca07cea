import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { pretrainStage } from '../../../activities/pretrain/activity.ts';
import { PretrainParams } from '../../../activities/pretrain/base-files.ts';
import { demo } from '../../../schemas/presets/demo.ts';
import { recordedIo } from '../nn/training/_stage-io.ts';

const BANK = resolve(import.meta.dirname, '../../../infra/demo/bank.json');

describe('the stage pretrain', () => {
  let folder: string;
  let source: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'pretrain-'));
    source = join(folder, 'source');
    await mkdir(source);
    await cp(BANK, join(source, 'bank.json'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  const train = async (name: string, given: object, io = recordedIo(join(folder, 'checkpoints'))) => {
    const model = join(folder, name);
    await mkdir(model);
    const {
      kind: _kind,
      path: _path,
      ...base
    } = demo.base as Extract<typeof demo.base, { kind: 'pretrain' }>;
    const small = { hiddenSize: 32, layers: 1, heads: 1, kvHeads: 1, intermediateSize: 32 };
    const vision = { ...base.vision, depth: 1, embedDim: 16, heads: 1 };
    const params = PretrainParams.parse({ ...base, ...small, vision, steps: 3, batchSize: 4, ...given });
    const summary = await pretrainStage.run(params, { ...io, inputs: { source }, outputs: { model } });
    return { summary, bytes: await readFile(join(model, 'model.safetensors')) };
  };

  it('resumes to the same bytes, and refuses a checkpoint of other parameters or of another source', async () => {
    const whole = await train('whole', {});
    const root = join(folder, 'stopped');
    await expect(train('cut', {}, recordedIo(root, { stopAt: 1 }))).rejects.toThrow('stopped by the test');
    const io = recordedIo(root, { resume: join(root, '1') });
    expect((await train('resumed', {}, io)).bytes).toEqual(whole.bytes);
    expect(io.events[0]?.done).toBe(2);
    expect(io.lines).toEqual([]);
    // Its rate falls to 0 at the last step, so that another number of steps is another training.
    await expect(train('longer', { steps: 4 }, io)).rejects.toThrow('params.steps is 3, this training has 4');
    await expect(train('seeded', { seed: 12 }, io)).rejects.toThrow('params.seed is 11');
    const bank = await readFile(BANK, 'utf8');
    await writeFile(join(source, 'bank.json'), `${bank}\n`);
    await expect(train('other', {}, io)).rejects.toThrow('inputs.source is');
  });
});
