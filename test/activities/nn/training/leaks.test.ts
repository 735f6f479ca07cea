import { mkdtemp, mkdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { describe, expect, it } from 'vitest';
import { runGba } from '../../../../activities/gba/activity.ts';
import { collectGarbage } from '../../../../activities/nn/runtime/collect-garbage.ts';
import { loadTensorFlow } from '../../../../activities/nn/runtime/tensorflow.ts';
import { runSft } from '../../../../activities/sft/activity.ts';
import { GbaParams } from '../../../../schemas/gba-params.ts';
import { SftParams } from '../../../../schemas/sft-params.ts';
import { hasShared, shared } from '../../../_shared.ts';
import { recordedIo } from './_stage-io.ts';

const MODEL = shared('golden/qwen2_vl');
const never = { checkpointSeconds: 3600 };
const optimizer = { rank: 4, alpha: 8, learningRate: 1e-4 };

/** More than this stays with no training of the tiny model that frees what it makes: its weights are 1 MB. */
const GROWTH = 12e6;

interface Held {
  readonly tensors: number;
  /** Tensors of the binding, behind those of tfjs. */
  readonly handles: number;
  readonly resident: number;
}

const held = (): Held => {
  collectGarbage();
  const tf = loadTensorFlow();
  const { binding } = tf.backend() as unknown as { binding: { getNumOfTensors(): number } };
  return {
    tensors: tf.memory().numTensors,
    handles: binding.getNumOfTensors(),
    resident: process.memoryUsage.rss(),
  };
};

/** What is held at two steps of a training in a scratch folder, which holds `rows` as its data. */
async function heldAt(
  [first, last]: readonly [number, number],
  rows: readonly object[],
  train: (
    files: { model: string; data: string; out: string },
    io: ReturnType<typeof recordedIo>,
  ) => Promise<unknown>,
): Promise<readonly [Held, Held]> {
  const folder = await mkdtemp(join(tmpdir(), 'leaks-'));
  try {
    const [data, out] = [join(folder, 'rows.jsonl'), join(folder, 'out')];
    await mkdir(out);
    await writeFile(data, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
    const seen = new Map<number, Held>();
    const io = recordedIo(join(folder, 'checkpoints'));
    await train(
      { model: MODEL, data, out },
      { ...io, progress: ({ done }) => void (done === first || done === last ? seen.set(done, held()) : 0) },
    );
    return [seen.get(first)!, seen.get(last)!];
  } finally {
    await rm(folder, { recursive: true });
  }
}

const expectNoGrowth = ([before, after]: readonly [Held, Held]): void => {
  expect(after.tensors).toBe(before.tensors);
  expect(after.handles).toBe(before.handles);
  expect(after.resident - before.resident).toBeLessThan(GROWTH);
};

describe.skipIf(!hasShared)('a training of the tiny Qwen2-VL', () => {
  it('holds no more after 200 steps of SFT than after 40', async () => {
    const rows = Array.from({ length: 200 }, (_, i) => ({
      messages: [
        { role: 'user', content: `Which diagnosis is likely? ${'prior '.repeat(i % 5)}` },
        { role: 'assistant', content: 'A simple cyst.' },
      ],
      images: [],
    }));
    const params = SftParams.parse({ ...optimizer, accumulate: 1, epochs: 1 });
    expectNoGrowth(
      await heldAt([40, 200], rows, (files, io) =>
        runSft({ ...files, adapter: undefined }, params, io, never),
      ),
    );
  });

  it('holds no more after 40 steps of GBA than after 10', async () => {
    const rows = Array.from({ length: 8 }, (_, i) => ({
      version: 1,
      id: `case-${i}`,
      question: `Which diagnosis is likely? ${'prior '.repeat(i)}`,
      options: ['Lipoma', 'Simple cyst'].map((text, k) => ({ letter: 'AB'[k], text })),
      gold: 'AB'[i % 2],
      images: [],
      source: 'test',
      licence: 'none',
      split: 'train',
    }));
    const params = GbaParams.parse({ ...optimizer, steps: 40, promptsPerStep: 2, group: 2, maxNewTokens: 4 });
    expectNoGrowth(
      await heldAt([10, 40], rows, ({ out, ...files }, io) =>
        runGba({ ...files, adapter: out, rollouts: out }, params, io, undefined, never),
      ),
    );
  });
});
