import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runGba } from '../../../activities/gba/activity.ts';
import type { Prompt, PromptOf } from '../../../activities/gba/queries.ts';
import type { Sampler } from '../../../activities/gba/sampler.ts';
import { trainGba } from '../../../activities/gba/train.ts';
import { validationAccuracy, validationPrompts } from '../../../activities/gba/validation.ts';
import { withTrainingModel } from '../../../activities/nn/runtime/training-model.ts';
import { readRows } from '../../../activities/shell/jsonl.ts';
import { Case } from '../../../schemas/case.ts';
import { GbaParams } from '../../../schemas/gba-params.ts';
import { GbaMetric } from '../../../schemas/training-metric.ts';
import { hasShared, shared } from '../../_shared.ts';
import { inFloat32 } from '../_compute.ts';
import { recordedIo } from '../nn/training/_stage-io.ts';

const MODEL = shared('golden/qwen2_vl');
const never = { checkpointSeconds: 3600 };
const open = new AbortController().signal;

const caseWith = (i: number, more: object = {}): Case =>
  Case.parse({
    version: 1,
    id: `case-${i}`,
    question: `Which diagnosis is likely? ${'prior '.repeat(i)}`,
    options: ['Lipoma', 'Simple cyst', 'benign', 'malignant'].map((text, k) => ({ letter: 'ABCD'[k], text })),
    gold: 'B',
    images: [],
    source: 'test',
    licence: 'none',
    split: 'train',
    ...more,
  });
const promptOf: PromptOf = (question, paradigm) => [
  {
    role: 'user',
    content: [
      ...question.images.map(() => ({ type: 'image' as const })),
      { type: 'text', text: `${question.question} ${paradigm ?? ''}` },
    ],
  },
];

describe('the queries of a validation', () => {
  const queries = Array.from({ length: 5 }, (_, i) => caseWith(i));
  const prompts = (question: Case, paradigm: Prompt['paradigm']) => ({ case: question, paradigm }) as Prompt;

  it.each(['rotate', 'all', 'mixed'] as const)('are asked once each under paradigms in turn: %s', (mode) => {
    const held = validationPrompts(queries, mode, prompts);
    expect(held.map((one) => one.case.id)).toEqual(queries.map(({ id }) => id));
    expect(held.map(({ paradigm }) => paradigm)).toEqual([
      'differential',
      'intuitive',
      'analytical',
      'bayesian',
      'differential',
    ]);
  });

  it('are asked plainly where training is', () => {
    const held = validationPrompts(queries, 'none', prompts);
    expect(held.map(({ paradigm }) => paradigm)).toEqual([null, null, null, null, null]);
  });

  it('count as right where the letter in <answer> is the gold one', async () => {
    const texts = ['<answer>B</answer>', '<answer>A</answer>', 'B', '<answer>B. Cyst</answer>', ''];
    const sampler = {
      answer: (asked: readonly Prompt[]) => Promise.resolve(asked.map((_, i) => ({ tokens: [i] }))),
    } as unknown as Sampler;
    const held = validationPrompts(queries, 'none', prompts);
    expect(await validationAccuracy(held, sampler, ([i]) => texts[i!]!, open)).toBe(2 / 5);
  });
});

describe.skipIf(!hasShared)('validation of GBA, on the golden Qwen2-VL', () => {
  let folder: string;
  let data: string;
  let validation: string;
  const write = (file: string, cases: readonly Case[]): Promise<void> =>
    writeFile(file, cases.map((row) => `${JSON.stringify(row)}\n`).join(''));
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'gba-validation-'));
    data = join(folder, 'cases.jsonl');
    validation = join(folder, 'validation.jsonl');
    await write(data, [caseWith(0), caseWith(1)]);
    const images = [shared('golden/image-0.png')];
    await write(validation, [caseWith(2, { images }), caseWith(3), caseWith(4)]);
  });
  afterEach(() => rm(folder, { recursive: true }));

  const train = async (name: string, given: object, io = recordedIo(join(folder, 'checkpoints'))) => {
    const out = join(folder, name);
    await mkdir(out);
    const sizes = { rank: 4, alpha: 8, promptsPerStep: 2, group: 2, maxNewTokens: 4 };
    const params = GbaParams.parse({ ...sizes, learningRate: 1e-2, steps: 5, ...given });
    const files = { model: MODEL, data, validation, adapter: out, rollouts: out };
    const summary = await runGba(files, params, io, promptOf, never);
    return { out, summary, metrics: await readRows(join(out, 'metrics.jsonl'), GbaMetric), io };
  };
  const bytesOf = (out: string): Promise<Buffer> => readFile(join(out, 'adapter_model.safetensors'));

  it('leaves every bit of the training as it is', async () => {
    const plain = await train('plain', { steps: 3 });
    const validated = await train('validated', { steps: 3, validateEvery: 2, validateQueries: 2 });
    expect(await bytesOf(validated.out)).toEqual(await bytesOf(plain.out));
    const accuracies = validated.metrics.map((row) => row['eval_rewards/accuracy/mean']);
    expect(accuracies).toEqual([undefined, 0, 0]);
  });

  it('keeps the earliest of the best, ends without improvement, and comes to the same when it is resumed', async () => {
    // The random model never answers in tags: every validation is as good as the first.
    const given = { validateEvery: 1, keep: 'best', patience: 2 };
    const whole = await train('whole', given);
    expect(whole.summary).toMatchObject({ steps: 3, keptStep: 1, validationAccuracy: 0 });
    const [first, second] = [
      await train('first', { ...given, patience: 1 }),
      await train('second', { ...given, patience: 1, keep: 'last' }),
    ];
    expect([first.summary['steps'], second.summary['steps']]).toEqual([2, 2]);
    expect(await bytesOf(whole.out)).toEqual(await bytesOf(first.out));
    expect(await bytesOf(whole.out)).not.toEqual(await bytesOf(second.out));
    const root = join(folder, 'stopped');
    await expect(train('cut', given, recordedIo(root, { stopAt: 2 }))).rejects.toThrow('stopped by the test');
    const resumed = await train('resumed', given, recordedIo(root, { resume: join(root, '2') }));
    expect(resumed.metrics).toEqual(whole.metrics);
    expect(await bytesOf(resumed.out)).toEqual(await bytesOf(whole.out));
  });

  it('sees the held-out answers become right as the model learns', async () => {
    const { history, keptStep } = await withTrainingModel(MODEL, async (training) => {
      const { processor, stopTokens, suppressed, checkpoint } = training.model;
      // A first token of an even id counts as the right answer.
      const decode = (tokens: ArrayLike<number>): string =>
        `<answer>${(tokens[0] ?? 1) % 2 === 0 ? 'B' : 'A'}</answer>`;
      return trainGba(
        {
          config: checkpoint.config,
          compute: inFloat32,
          params: GbaParams.parse({
            rank: 4,
            alpha: 8,
            learningRate: 2e-2,
            steps: 12,
            promptsPerStep: 2,
            group: 16,
            maxNewTokens: 2,
            guidelineMode: 'none',
            validateEvery: 3,
            keep: 'best',
          }),
          chat: { ...processor, tokenizer: { ...processor.tokenizer, decode } },
          queries: [caseWith(1), caseWith(2)],
          validation: [caseWith(0), caseWith(3), caseWith(4), caseWith(5)],
          promptOf,
          checklistOf: () => [],
          grids: new Map(),
          loadImage: () => Promise.reject(new Error('no images')),
          stopTokens,
          suppressed,
          resume: undefined,
          fillBase: (session) => training.fillBase(session, inFloat32.dtype),
        },
        { signal: open, progress: () => {}, checkpoint: () => Promise.resolve() },
        never,
      );
    });
    const validated = history.flatMap(({ step, 'eval_rewards/accuracy/mean': accuracy }) =>
      accuracy === undefined ? [] : [{ step, accuracy }],
    );
    expect(validated.map(({ step }) => step)).toEqual([3, 6, 9, 12]);
    expect(validated.at(-1)!.accuracy).toBe(1);
    expect(keptStep).toBe(validated.find(({ accuracy }) => accuracy === 1)!.step);
  });

  it('refuses validation without a file', async () => {
    await writeFile(validation, '');
    await expect(train('a', { validateEvery: 1 })).rejects.toThrow(/validation.jsonl has no row/);
  });
});
