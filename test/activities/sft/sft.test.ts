import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readAdapter } from '../../../activities/nn/checkpoint/adapter.ts';
import { readModelConfig } from '../../../activities/nn/checkpoint/checkpoint.ts';
import { nodeFolder } from '../../../activities/nn/runtime/files.ts';
import { runSft } from '../../../activities/sft/activity.ts';
import { SftParams } from '../../../schemas/sft-params.ts';
import { hasShared, shared } from '../../_shared.ts';
import { recordedIo } from '../nn/training/_stage-io.ts';

const MODEL = shared('golden/qwen2_vl');
const ANSWER = '<think>Prior: benign mass.</think><answer>B</answer>';
const never = { checkpointSeconds: 3600 };

interface GoldenCase {
  readonly messages: object[];
  readonly images: number[];
}

const expectedOf = async () =>
  JSON.parse(await readFile(join(MODEL, 'expected.json'), 'utf8')) as {
    cases: GoldenCase[];
    adamw: { losses: number[] };
  };

const goldenRows = async (): Promise<object[]> =>
  (await expectedOf()).cases.map(({ messages, images }) => ({
    messages: [...messages, { role: 'assistant', content: ANSWER }],
    images: images.map((i) => shared(`golden/image-${i}.png`)),
  }));

const params = (given: object): SftParams =>
  SftParams.parse({ rank: 4, alpha: 8, learningRate: 1e-3, schedule: 'constant', ...given });

const lossesIn = async (folder: string): Promise<number[]> =>
  (await readFile(join(folder, 'metrics.jsonl'), 'utf8'))
    .trim()
    .split('\n')
    .map((line) => (JSON.parse(line) as { loss: number }).loss);

const bytesOf = (folder: string): Promise<Buffer> => readFile(join(folder, 'adapter_model.safetensors'));

describe.skipIf(!hasShared)('supervised fine-tuning of the golden Qwen2-VL', () => {
  let folder: string;
  let data: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sft-'));
    data = join(folder, 'train.jsonl');
    const rows = await goldenRows();
    await writeFile(data, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  });
  afterEach(() => rm(folder, { recursive: true }));

  const train = async (
    name: string,
    given: object,
    io = recordedIo(join(folder, 'checkpoints')),
    settings: { checkpointSeconds: number; checkpointSteps?: number } = never,
    adapter?: string,
  ) => {
    const out = join(folder, name);
    await mkdir(out);
    const summary = await runSft({ model: MODEL, data, adapter, out }, params(given), io, settings);
    return { out, summary, io };
  };

  it('follows the reference’s five accumulated steps from an adapter, and writes what PEFT reads', async () => {
    const { out, summary } = await train(
      'out',
      { epochs: 5, accumulate: 3, shuffle: false },
      undefined,
      never,
      join(MODEL, 'adapter'),
    );
    const want = (await expectedOf()).adamw.losses;
    const losses = await lossesIn(out);
    expect(losses.length).toBe(want.length);
    for (const [i, loss] of losses.entries()) expect(Math.abs(loss - want[i]!)).toBeLessThan(1e-4);
    const config = await readModelConfig(nodeFolder(MODEL));
    const got = await readAdapter(nodeFolder(out), config);
    const reference = await readAdapter(nodeFolder(join(MODEL, 'adapter-after-adamw')), config);
    expect([...got.modules.keys()]).toEqual([...reference.modules.keys()]);
    for (const [module, { a, b }] of got.modules) {
      const other = reference.modules.get(module)!;
      for (const [mine, theirs] of [
        [a, other.a],
        [b, other.b],
      ] as const)
        expect(Math.max(...mine.map((x, i) => Math.abs(x - theirs[i]!))), module).toBeLessThan(5e-5);
    }
    expect(got.trainedOn).toMatch(/^sha256:/);
    expect(summary).toMatchObject({ steps: 5, rows: 3, droppedRows: 0 });
  });

  it('gives the same bytes twice, and others for another seed', async () => {
    const given = { epochs: 2, accumulate: 2, seed: 3 };
    const first = await bytesOf((await train('a', given)).out);
    expect(await bytesOf((await train('b', given)).out)).toEqual(first);
    expect(await bytesOf((await train('c', { ...given, seed: 4 })).out)).not.toEqual(first);
  });

  it('comes to the same bytes and metrics when it is stopped and resumed at any step', async () => {
    const given = { epochs: 3, accumulate: 2, schedule: 'cosine', warmupSteps: 2, maxGradNorm: 1 };
    const { out } = await train('whole', given);
    for (const stopAt of [1, 4]) {
      const root = join(folder, `stopped-${stopAt}`);
      const stopped = recordedIo(root, { stopAt });
      await expect(train(`cut-${stopAt}`, given, stopped)).rejects.toThrow('stopped by the test');
      expect(stopped.kept).toEqual([stopAt]);
      const again = recordedIo(root, { resume: join(root, String(stopAt)) });
      const resumed = await train(`resumed-${stopAt}`, given, again);
      expect(again.events[0]?.done).toBe(stopAt + 1);
      expect(await bytesOf(resumed.out)).toEqual(await bytesOf(out));
      expect(await readFile(join(resumed.out, 'metrics.jsonl'))).toEqual(
        await readFile(join(out, 'metrics.jsonl')),
      );
    }
  });

  it('refuses a checkpoint of other parameters, data or start, and goes on to more epochs at a constant rate', async () => {
    const root = join(folder, 'kept');
    const given = { epochs: 3, accumulate: 2 };
    await train('a', given, recordedIo(root), { ...never, checkpointSteps: 2 });
    const from = (step: number) => recordedIo(root, { resume: join(root, `${step}`) });
    await expect(train('b', { ...given, learningRate: 1e-2 }, from(2))).rejects.toThrow(
      'params.learningRate is 0.001, this training has 0.01',
    );
    const adapter = join(MODEL, 'adapter');
    await expect(train('c', given, from(2), never, adapter)).rejects.toThrow('inputs.adapter is null');
    const rows = await readFile(data, 'utf8');
    const more = await train('more', { ...given, epochs: 4 }, from(4));
    const whole = await train('whole', { ...given, epochs: 4 });
    expect(await bytesOf(more.out)).toEqual(await bytesOf(whole.out));
    expect(more.io.lines).toEqual(['goes on from step 4, where params.epochs is 3, this training has 4']);
    // The same rows elsewhere are the same data; other pixels under the same name are not.
    const image = join(folder, 'image.png');
    await copyFile(shared('golden/image-0.png'), image);
    await writeFile(data, rows.replaceAll(shared('golden/image-0.png'), 'image.png'));
    await train('moved', given, from(4));
    await copyFile(shared('golden/image-1.png'), image);
    await expect(train('d', given, from(4))).rejects.toThrow('inputs.data is');
  });

  it('starts at the base model’s loss: a fresh adapter changes nothing', async () => {
    const first = await lossesIn((await train('a', { epochs: 1, accumulate: 3, seed: 1 })).out);
    const second = await lossesIn((await train('b', { epochs: 1, accumulate: 3, seed: 2 })).out);
    expect(Math.abs(first[0]! - second[0]!)).toBeLessThan(1e-6);
  });

  it('drops or refuses rows that are too long, and names them', async () => {
    await expect(train('a', { maxTokens: 70 })).rejects.toThrow(
      /1 of 3 rows are longer than maxTokens 70, the first of them 3 with 88 tokens/,
    );
    const { summary, io } = await train('b', { maxTokens: 70, overlong: 'drop', epochs: 1 });
    expect(summary).toMatchObject({ rows: 2, droppedRows: 1 });
    expect(io.lines).toEqual(['dropped 1 rows of train.jsonl for their length']);
  });

  it('stops where the loss is no longer a number, and names the rows', async () => {
    await expect(train('a', { epochs: 40, accumulate: 3, learningRate: 1e18 })).rejects.toThrow(
      /step \d+: loss (NaN|Infinity).*on rows .*Try a lower learningRate/,
    );
  });

  it('refuses an adapter of another rank or scale, a bad row and a missing image, each by name', async () => {
    const adapter = join(MODEL, 'adapter');
    await expect(train('a', { rank: 8, alpha: 16 }, undefined, never, adapter)).rejects.toThrow(
      'the model needs',
    );
    await expect(train('b', { alpha: 4 }, undefined, never, adapter)).rejects.toThrow(
      'give its rank and alpha',
    );
    await writeFile(data, '{"messages":[{"role":"user","content":"q"}]}\n');
    await expect(train('c', {})).rejects.toThrow('train.jsonl:1');
    await writeFile(
      data,
      `${JSON.stringify({
        messages: [
          { role: 'user', content: [{ type: 'image' }] },
          { role: 'assistant', content: 'a' },
        ],
        images: ['missing.png'],
      })}\n`,
    );
    await expect(train('d', {})).rejects.toThrow('missing.png');
  });
});
