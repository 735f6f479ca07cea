import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { trainGba } from '../../../../activities/gba/train.ts';
import type { GbaTrained } from '../../../../activities/gba/train.ts';
import { readAdapter } from '../../../../activities/nn/checkpoint/adapter.ts';
import { openCheckpoint, readModelConfig } from '../../../../activities/nn/checkpoint/checkpoint.ts';
import { nodeFolder } from '../../../../activities/nn/runtime/files.ts';
import { withTrainingModel } from '../../../../activities/nn/runtime/training-model.ts';
import { weightsDigest } from '../../../../activities/nn/runtime/weights-digest.ts';
import { runSft } from '../../../../activities/sft/activity.ts';
import { Case } from '../../../../schemas/case.ts';
import type { ResolvedCompute } from '../../../../schemas/config/compute.ts';
import { GbaParams } from '../../../../schemas/gba-params.ts';
import { SftParams } from '../../../../schemas/sft-params.ts';
import { hasShared, shared } from '../../../_shared.ts';
import { inFloat32 } from '../../_compute.ts';
import { recordedIo } from './_stage-io.ts';

const FAMILIES = ['qwen2_vl', 'qwen2_5_vl'] as const;
const ROUNDED = { dtype: 'bfloat16' } as const;
const IN_BFLOAT16 = { dtype: 'bfloat16', arithmetic: 'bfloat16' } as const;
const COMPILED = { execution: 'xla' } as const;
const never = { checkpointSeconds: 3600 };

interface Metric {
  readonly loss: number;
  readonly gradNorm: number;
}

interface Trained {
  readonly adapter: Buffer;
  readonly trainedOn: string | undefined;
  readonly metrics: Metric[];
}

const CASE = Case.parse({
  version: 1,
  id: 'case',
  question: 'Which diagnosis is likely?',
  options: ['Lipoma', 'Simple cyst'].map((text, k) => ({ letter: 'AB'[k], text })),
  gold: 'B',
  images: [],
  source: 'test',
  licence: 'none',
  split: 'train',
});

/** Largest difference over the largest number. */
const distance = (a: readonly number[], b: readonly number[]): number =>
  Math.max(...a.map((x, i) => Math.abs(x - b[i]!))) / Math.max(...b.map(Math.abs));

describe.skipIf(!hasShared).each(FAMILIES)('training the golden %s', (family) => {
  const model = shared(`golden/${family}`);
  let folder: string;
  let runs = 0;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'compute-'));
    const row = {
      messages: [
        { role: 'user', content: [{ type: 'image' }, { type: 'text', text: 'Which diagnosis is likely?' }] },
        { role: 'assistant', content: '<think>Prior: benign mass.</think><answer>B</answer>' },
      ],
      images: [shared('golden/image-0.png')],
    };
    await writeFile(join(folder, 'rows.jsonl'), `${JSON.stringify(row)}\n`.repeat(3));
  });
  afterAll(() => rm(folder, { recursive: true }));

  const trained = async (out: string): Promise<Trained> => {
    const config = await readModelConfig(nodeFolder(model));
    const text = await readFile(join(out, 'metrics.jsonl'), 'utf8');
    return {
      adapter: await readFile(join(out, 'adapter_model.safetensors')),
      trainedOn: (await readAdapter(nodeFolder(out), config)).trainedOn,
      metrics: text
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as Metric),
    };
  };
  const outFolder = async (): Promise<string> => {
    const out = join(folder, `out-${(runs += 1)}`);
    await mkdir(out);
    return out;
  };

  const sft = async (compute: Partial<ResolvedCompute>): Promise<Trained> => {
    const out = await outFolder();
    const params = SftParams.parse({
      rank: 4,
      alpha: 8,
      learningRate: 1e-3,
      schedule: 'constant',
      accumulate: 1,
      epochs: 1,
    });
    const io = recordedIo(join(folder, 'checkpoints'), { compute });
    await runSft(
      { model, data: join(folder, 'rows.jsonl'), validation: undefined, adapter: undefined, out },
      params,
      io,
      never,
    );
    return trained(out);
  };
  /** Random models never answer in tags; here a first token of an even id counts as the right answer. */
  const decode = (tokens: ArrayLike<number>): string =>
    `<think>x</think><answer>${(tokens[0] ?? 1) % 2 === 0 ? 'B' : 'A'}</answer>`;
  const gba = (compute: Partial<ResolvedCompute>): Promise<GbaTrained> =>
    withTrainingModel(model, async (training) => {
      const { processor, stopTokens, suppressed, checkpoint } = training.model;
      const { dtype, ...how } = { ...inFloat32, ...compute };
      return trainGba(
        {
          config: checkpoint.config,
          compute: how,
          params: GbaParams.parse({
            rank: 4,
            alpha: 8,
            learningRate: 5e-3,
            steps: 12,
            promptsPerStep: 1,
            group: 16,
            maxNewTokens: 2,
            guidelineMode: 'none',
          }),
          chat: { ...processor, tokenizer: { ...processor.tokenizer, decode } },
          queries: [CASE],
          promptOf: ({ question }) => [{ role: 'user', content: [{ type: 'text', text: question }] }],
          checklistOf: () => [],
          grids: new Map(),
          loadImage: () => Promise.reject(new Error('no images')),
          stopTokens,
          suppressed,
          resume: undefined,
          fillBase: (session) => training.fillBase(session, dtype),
        },
        { signal: new AbortController().signal, progress: () => {}, checkpoint: () => Promise.resolve() },
        never,
      );
    });
  const losses = ({ metrics }: Trained): number[] => metrics.map(({ loss }) => loss);

  it('by SFT comes near the float32 losses with rounded weights and with products in bfloat16, the same twice', async () => {
    const exact = await sft({});
    const checkpoint = await openCheckpoint(nodeFolder(model));
    const digest = await weightsDigest(checkpoint);
    await checkpoint.close();
    for (const compute of [ROUNDED, IN_BFLOAT16]) {
      const first = await sft(compute);
      expect(distance(losses(first), losses(exact))).toBeLessThan(0.01);
      expect(losses(first)).not.toEqual(losses(exact));
      expect(first.trainedOn).toBe(digest);
      expect((await sft(compute)).adapter).toEqual(first.adapter);
    }
  });

  it('by GBA learns what is rewarded with rounded weights, with products in bfloat16 and when XLA compiles it', async () => {
    for (const compute of [ROUNDED, IN_BFLOAT16, COMPILED]) {
      const { history } = await gba(compute);
      const rewards = history.map(({ reward }) => reward);
      expect(history.every(({ grad_norm: norm }) => Number.isFinite(norm))).toBe(true);
      const last = rewards.slice(-4).reduce((sum, reward) => sum + reward / 4, 0);
      expect(last).toBeGreaterThan(1.85); // of 2
      expect(last).toBeGreaterThan(rewards[0]!);
    }
  });

  it('by GBA comes to the same bits twice with products in bfloat16', async () => {
    expect((await gba(IN_BFLOAT16)).values).toEqual((await gba(IN_BFLOAT16)).values);
  });

  it('by SFT comes to the same losses and gradients when XLA compiles it', async () => {
    const norms = ({ metrics }: Trained): number[] => metrics.map(({ gradNorm }) => gradNorm);
    const [traced, compiled] = [await sft({}), await sft(COMPILED)];
    expect(distance(losses(compiled), losses(traced))).toBeLessThan(1e-5);
    expect(distance(norms(compiled), norms(traced))).toBeLessThan(1e-4);
  });
});
