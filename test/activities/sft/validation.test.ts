import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runSft } from '../../../activities/sft/activity.ts';
import { readRows } from '../../../activities/shell/jsonl.ts';
import { SftParams } from '../../../schemas/sft-params.ts';
import { SftMetric } from '../../../schemas/training-metric.ts';
import { hasShared, shared } from '../../_shared.ts';
import { recordedIo } from '../nn/training/_stage-io.ts';

const MODEL = shared('golden/qwen2_vl');
const TRAINED = '<think>Prior: benign mass.</think><answer>B</answer>';
const HELD_OUT = 'Wait: no, it cannot be said.';
const never = { checkpointSeconds: 3600 };
/** Its steps are one pass each; it fits the trained answers at the held-out ones' cost. */
const overfits = { learningRate: 3e-2, accumulate: 3, epochs: 6, shuffle: false };

describe.skipIf(!hasShared)('validation of supervised fine-tuning, on the golden Qwen2-VL', () => {
  let folder: string;
  let data: string;
  let validation: string;

  const writeRows = async (file: string, answer: string, names: readonly string[]): Promise<void> => {
    const { cases } = JSON.parse(await readFile(join(MODEL, 'expected.json'), 'utf8')) as {
      cases: { messages: object[]; images: number[] }[];
    };
    const rows = cases.map(({ messages, images }, i) => ({
      id: names[i],
      messages: [...messages, { role: 'assistant', content: answer }],
      images: images.map((k) => shared(`golden/image-${k}.png`)),
    }));
    await writeFile(file, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  };

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sft-validation-'));
    data = join(folder, 'train.jsonl');
    validation = join(folder, 'validation.jsonl');
    await writeRows(data, TRAINED, ['t1', 't2', 't3']);
    await writeRows(validation, HELD_OUT, ['v1', 'v2', 'v3']);
  });
  afterEach(() => rm(folder, { recursive: true }));

  const train = async (name: string, given: object, io = recordedIo(join(folder, 'checkpoints'))) => {
    const out = join(folder, name);
    await mkdir(out);
    const params = SftParams.parse({ rank: 4, alpha: 8, schedule: 'constant', ...given });
    const summary = await runSft(
      { model: MODEL, data, validation, adapter: undefined, out },
      params,
      io,
      never,
    );
    const metrics = await readRows(join(out, 'metrics.jsonl'), SftMetric);
    return { out, summary, metrics, io };
  };
  const bytesOf = (out: string): Promise<Buffer> => readFile(join(out, 'adapter_model.safetensors'));

  it('gives the loss that training has on the same rows, and leaves every bit of the training as it is', async () => {
    await writeRows(validation, TRAINED, ['v1', 'v2', 'v3']);
    for (const lossNormalisation of ['sequence', 'token']) {
      const given = { ...overfits, learningRate: 1e-3, epochs: 3, lossNormalisation };
      const validated = await train(`with-${lossNormalisation}`, { ...given, validateEvery: 1 });
      const plain = await train(`without-${lossNormalisation}`, given);
      expect(await bytesOf(validated.out)).toEqual(await bytesOf(plain.out));
      const [first, second, third] = validated.metrics;
      // The loss of a step is that of the weights before it.
      expect(Math.abs(first!.validationLoss! - second!.loss)).toBeLessThan(1e-5);
      expect(Math.abs(second!.validationLoss! - third!.loss)).toBeLessThan(1e-5);
      expect(plain.metrics.every((row) => !('validationLoss' in row))).toBe(true);
      expect(validated.metrics.map(({ loss }) => loss)).toEqual(plain.metrics.map(({ loss }) => loss));
    }
  });

  it('counts the tokens that the model finds likeliest: all of them once it knows the rows by heart', async () => {
    await writeRows(validation, TRAINED, ['v1', 'v2', 'v3']);
    const { metrics, io } = await train('out', {
      ...overfits,
      learningRate: 1e-2,
      epochs: 30,
      validateEvery: 15,
    });
    expect(metrics.filter((row) => row.validationLoss !== undefined).map(({ step }) => step)).toEqual([
      15, 30,
    ]);
    expect(metrics.at(-1)?.validationTokenAccuracy).toBe(1);
    const [{ figures } = { figures: {} }] = io.events.filter(({ done }) => done === 15);
    expect(figures).toMatchObject({ validationLoss: metrics[14]!.validationLoss });
  });

  it('writes the adapter of the best validation', async () => {
    const { out, metrics, summary } = await train('best', { ...overfits, validateEvery: 1, keep: 'best' });
    const losses = metrics.map((row) => row.validationLoss!);
    const best = losses.indexOf(Math.min(...losses)) + 1;
    expect(best).toBeLessThan(6);
    expect(summary).toMatchObject({ steps: 6, keptStep: best, validationLoss: losses[best - 1] });
    const asFar = await train('as-far', { ...overfits, epochs: best });
    expect(await bytesOf(out)).toEqual(await bytesOf(asFar.out));
  });

  it('ends after so many validations without improvement', async () => {
    // At this rate nothing changes that float32 shows: the first validation is the last that improves.
    const still = { accumulate: 1, epochs: 4, learningRate: 1e-30, validateEvery: 2, patience: 2 };
    const { metrics, summary } = await train('still', still);
    expect(metrics.map(({ step }) => step)).toEqual([1, 2, 3, 4, 5, 6]);
    expect(summary).toMatchObject({ steps: 6, keptStep: 6 });
  });

  it('comes to the same bytes when it is stopped and resumed at the best step and after it', async () => {
    const given = { ...overfits, validateEvery: 1, keep: 'best', patience: 3 };
    const whole = await train('whole', given);
    const best = Number(whole.summary['keptStep']);
    for (const stopAt of [best, best + 1]) {
      const root = join(folder, `stopped-${stopAt}`);
      await expect(train(`cut-${stopAt}`, given, recordedIo(root, { stopAt }))).rejects.toThrow('stopped');
      const resume = recordedIo(root, { resume: join(root, `${stopAt}`) });
      const resumed = await train(`resumed-${stopAt}`, given, resume);
      expect(resumed.io.events[0]?.done).toBe(stopAt + 1);
      expect(await bytesOf(resumed.out)).toEqual(await bytesOf(whole.out));
      expect(resumed.metrics).toEqual(whole.metrics);
    }
  });

  it('refuses a choice by validation without validation, and validation without rows', async () => {
    expect(() => SftParams.parse({ keep: 'best' })).toThrow('keep');
    expect(() => SftParams.parse({ patience: 3 })).toThrow('nothing is validated');
    await writeFile(validation, '');
    await expect(train('a', { validateEvery: 1 })).rejects.toThrow(/validation.jsonl has no row/);
  });
});
