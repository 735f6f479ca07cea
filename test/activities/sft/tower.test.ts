import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { readAdapter, writeAdapter } from '../../../activities/nn/checkpoint/adapter.ts';
import { readModelConfig } from '../../../activities/nn/checkpoint/checkpoint.ts';
import type { ModelConfig } from '../../../activities/nn/models/config.ts';
import { nodeFolder } from '../../../activities/nn/runtime/files.ts';
import { loadTensorFlow } from '../../../activities/nn/runtime/tensorflow.ts';
import { adapterLayout, trainedAdapter } from '../../../activities/nn/training/adapter.ts';
import { flatten } from '../../../activities/nn/training/flat-layout.ts';
import { runSft } from '../../../activities/sft/activity.ts';
import { SftParams } from '../../../schemas/sft-params.ts';
import { hasShared, shared } from '../../_shared.ts';
import { recordedIo } from '../nn/training/_stage-io.ts';

interface Golden {
  readonly losses: readonly number[];
  readonly tensors: Readonly<Record<string, { gradient: number; change: number; values: number[] }>>;
}

const ANSWER = '<think>Prior: benign mass.</think><answer>B</answer>';
const CASES = ['image', 'two-images'];
const TARGETS = ['language', 'vision', 'merger'] as const;
const [RANK, ALPHA] = [4, 8];

/** The closed form of `lora-vision.py`. */
const startOf = (name: string, size: number): Float32Array => {
  const s = Array.from(name, (c) => c.codePointAt(0) ?? 0).reduce((a, b) => a + b, 0);
  return Float32Array.from({ length: size }, (_, i) => 0.05 * Math.sin(s + 0.7391 * i));
};

const params = (given: object): SftParams =>
  SftParams.parse({
    rank: RANK,
    alpha: ALPHA,
    targets: TARGETS,
    learningRate: 1e-3,
    schedule: 'constant',
    accumulate: 2,
    shuffle: false,
    epochs: 3,
    ...given,
  });

const norm = (x: Float32Array): number => Math.hypot(...x);
const bytesOf = (folder: string): Promise<Buffer> => readFile(join(folder, 'adapter_model.safetensors'));

describe.skipIf(!hasShared).each(['qwen2_vl', 'qwen2_5_vl'])(
  'an adapter of tower and merger on the golden %s',
  (family) => {
    const model = shared(`golden/${family}`);
    let config: ModelConfig;
    let golden: Golden;
    let folder: string;
    let data: string;
    /** The first of its rows. */
    let one: string;
    beforeAll(async () => {
      config = await readModelConfig(nodeFolder(model));
      const file = join(import.meta.dirname, '../../golden/lora-vision.json');
      golden = (JSON.parse(await readFile(file, 'utf8')) as { families: Record<string, Golden> }).families[
        family
      ]!;
    });
    beforeEach(async () => {
      folder = await mkdtemp(join(tmpdir(), 'tower-'));
      data = join(folder, 'train.jsonl');
      const { cases } = JSON.parse(await readFile(join(model, 'expected.json'), 'utf8')) as {
        cases: { name: string; messages: object[]; images: number[] }[];
      };
      const rows = cases
        .filter(({ name }) => CASES.includes(name))
        .map(({ messages, images }) => ({
          messages: [...messages, { role: 'assistant', content: ANSWER }],
          images: images.map((i) => shared(`golden/image-${i}.png`)),
        }));
      await writeFile(data, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
      one = join(folder, 'one.jsonl');
      await writeFile(one, `${JSON.stringify(rows[0])}\n`);
    });
    afterEach(() => rm(folder, { recursive: true }));

    const train = async (
      name: string,
      given: object,
      io = recordedIo(join(folder, 'checkpoints')),
      adapter?: string,
      rows = one,
    ) => {
      const out = join(folder, name);
      await mkdir(out);
      const files = { model, data: rows, adapter, validation: undefined, out };
      await runSft(files, params(given), io, { checkpointSeconds: 3600 });
      const text = await readFile(join(out, 'metrics.jsonl'), 'utf8');
      const losses = text
        .trim()
        .split('\n')
        .map((line) => (JSON.parse(line) as { loss: number }).loss);
      return { out, losses };
    };

    it('follows PEFT’s three steps, losses and matrices', async () => {
      const layout = adapterLayout(config, RANK, TARGETS);
      const start = new Map(
        layout.entries.map(({ name, shape }) => [
          name,
          {
            shape,
            data: startOf(
              name,
              shape.reduce((a, b) => a * b),
            ),
          },
        ]),
      );
      expect([...start.keys()]).toEqual(Object.keys(golden.tensors));
      const begin = join(folder, 'begin');
      await mkdir(begin);
      const settings = { rank: RANK, alpha: ALPHA, targets: TARGETS, dropout: 0, trainedOn: 'unknown' };
      const adapter = trainedAdapter(config, layout, flatten(layout, start), settings);
      await writeAdapter(nodeFolder(begin), { ...adapter, trainedOn: undefined });

      const { out, losses } = await train('out', {}, undefined, begin, data);
      expect(losses.length).toBe(golden.losses.length);
      for (const [i, loss] of losses.entries()) expect(Math.abs(loss - golden.losses[i]!)).toBeLessThan(1e-4);
      const { modules } = await readAdapter(nodeFolder(out), config);
      for (const [name, { change, values }] of Object.entries(golden.tensors)) {
        const module = name.replace(/\.lora_[AB]\.weight$/, '');
        const after = modules.get(module)![name.includes('lora_A') ? 'a' : 'b'];
        for (const [i, value] of values.entries())
          expect(Math.abs(after[i]! - value), name).toBeLessThan(5e-5);
        const moved = norm(after.map((x, i) => x - start.get(name)!.data[i]!));
        expect(Math.abs(moved / change - 1), name).toBeLessThan(5e-3);
      }
    });

    it.skipIf(family !== 'qwen2_vl')(
      'comes to the same bytes when it is stopped and resumed, with dropout and recomputed layers',
      async () => {
        const given = { dropout: 0.2, recompute: true, epochs: 2, seed: 5 };
        const { out, losses } = await train('whole', given);
        const root = join(folder, 'stopped');
        await expect(train('cut', given, recordedIo(root, { stopAt: 1 }))).rejects.toThrow(
          'stopped by the test',
        );
        const resumed = await train('resumed', given, recordedIo(root, { resume: join(root, '1') }));
        expect(await bytesOf(resumed.out)).toEqual(await bytesOf(out));
        expect(resumed.losses).toEqual(losses);
        const { numTensors } = loadTensorFlow().memory();
        // A fresh adapter changes nothing, dropped out or not; one that has taken a step does.
        const undropped = await train('undropped', { ...given, dropout: 0, recompute: false });
        expect(loadTensorFlow().memory().numTensors).toBe(numTensors);
        expect(Math.abs(losses[0]! - undropped.losses[0]!)).toBeLessThan(1e-5);
        expect(Math.abs(losses[1]! - undropped.losses[1]!)).toBeGreaterThan(1e-5);
      },
    );

    it.skipIf(family !== 'qwen2_vl')(
      'validates with the tower as it stands, and without dropout',
      async () => {
        const given = { validateEvery: 1, dropout: 0.5, epochs: 1 };
        const out = join(folder, 'out');
        await mkdir(out);
        const files = { model, data: one, adapter: undefined, validation: one, out };
        await runSft(files, params(given), recordedIo(folder), { checkpointSeconds: 3600 });
        const text = await readFile(join(out, 'metrics.jsonl'), 'utf8');
        const [first] = text
          .trim()
          .split('\n')
          .map((line) => JSON.parse(line) as { validationLoss: number });
        // What the next step of a training without dropout would start from, on the same rows.
        const once = await train('once', { ...given, validateEvery: null });
        const next = await train('next', { epochs: 1, dropout: 0 }, undefined, once.out);
        expect(Math.abs(first!.validationLoss - next.losses[0]!)).toBeLessThan(1e-5);
      },
    );
  },
);
