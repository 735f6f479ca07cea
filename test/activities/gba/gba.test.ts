import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runGba } from '../../../activities/gba/activity.ts';
import { trainGba } from '../../../activities/gba/train.ts';
import { readAdapter } from '../../../activities/nn/checkpoint/adapter.ts';
import { readModelConfig } from '../../../activities/nn/checkpoint/checkpoint.ts';
import { nodeFolder } from '../../../activities/nn/runtime/files.ts';
import { promptIds } from '../../../activities/nn/chat.ts';
import { withTrainingModel } from '../../../activities/nn/runtime/training-model.ts';
import type { PromptOf } from '../../../activities/gba/queries.ts';
import { readRows } from '../../../activities/shell/jsonl.ts';
import { Case } from '../../../schemas/case.ts';
import { GbaParams } from '../../../schemas/gba-params.ts';
import { Rollout } from '../../../schemas/rollout.ts';
import { GbaMetric } from '../../../schemas/training-metric.ts';
import { hasShared, shared } from '../../_shared.ts';
import { recordedIo } from '../nn/training/_stage-io.ts';

const MODEL = shared('golden/qwen2_vl');
const never = { checkpointSeconds: 3600 };

const cases = Array.from({ length: 5 }, (_, i) => ({
  version: 1,
  id: `case-${i}`,
  question: `Which diagnosis is likely? ${'prior '.repeat(i)}`,
  options: ['Lipoma', 'Simple cyst', 'benign', 'malignant'].map((text, k) => ({ letter: 'ABCD'[k], text })),
  gold: 'ABCD'[i % 4],
  images: i % 3 === 0 ? [shared('golden/image-0.png')] : [],
  source: 'test',
  licence: 'none',
  split: 'train',
}));

const prompt: PromptOf = (question, paradigm) => [
  {
    role: 'user',
    content: [
      ...question.images.map(() => ({ type: 'image' as const })),
      { type: 'text', text: `${question.question} ${paradigm ?? ''}` },
    ],
  },
];

const filesOf = (out: string): Promise<Buffer[]> =>
  Promise.all(
    ['adapter_model.safetensors', 'metrics.jsonl', 'rollouts.jsonl'].map((f) => readFile(join(out, f))),
  );

/** The random model never answers in tags; here a first token of an even id counts as the right answer. */
const decode = (tokens: ArrayLike<number>): string =>
  `<think>x</think><answer>${(tokens[0] ?? 1) % 2 === 0 ? 'B' : 'A'}</answer>`;

describe.skipIf(!hasShared)('guideline-based advantages on the golden Qwen2-VL', () => {
  let folder: string;
  let data: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'gba-'));
    data = join(folder, 'cases.jsonl');
    await writeFile(data, cases.map((row) => `${JSON.stringify(row)}\n`).join(''));
  });
  afterEach(() => rm(folder, { recursive: true }));

  const train = async (
    name: string,
    given: object,
    io = recordedIo(join(folder, 'checkpoints')),
    more: { start?: string } = {},
  ) => {
    const out = join(folder, name);
    await mkdir(out);
    const params = GbaParams.parse({
      rank: 4,
      alpha: 8,
      learningRate: 1e-2,
      steps: 4,
      promptsPerStep: 2,
      group: 4,
      maxNewTokens: 6,
      ...given,
    });
    const files = { model: MODEL, data, adapter: out, rollouts: out, ...more };
    const summary = await runGba(files, params, io, prompt, never);
    return { out, summary };
  };

  it('writes every rollout with its prompt, rewards and advantage, and metrics under TRL’s names', async () => {
    const { out, summary } = await train('out', { guidelineMode: 'mixed' });
    const rollouts = await readRows(join(out, 'rollouts.jsonl'), Rollout);
    expect(rollouts).toHaveLength(4 * 2 * 4);
    expect(rollouts.slice(0, 4).map((r) => r.paradigm)).toEqual([
      'differential',
      'intuitive',
      'analytical',
      'bayesian',
    ]);
    expect(new Set(rollouts.slice(0, 4).map((r) => r.caseId)).size).toBe(1);
    expect(rollouts[0]?.prompt).toContain('<|im_start|>assistant');
    expect(new Set(rollouts.map((r) => r.completion)).size).toBeGreaterThan(8);
    const metrics = await readRows(join(out, 'metrics.jsonl'), GbaMetric);
    expect(metrics.map((m) => m.step)).toEqual([1, 2, 3, 4]);
    // The adapter is fresh at the first step, so nothing differs from the reference yet.
    expect(Math.abs(metrics[0]!.kl!)).toBeLessThan(1e-6);
    expect(metrics[0]!.entropy).toBeGreaterThan(0);
    expect(metrics.every((m) => m['completions/max_length'] <= 6)).toBe(true);
    expect(metrics.map((m) => m.epoch)).toEqual([0.4, 0.8, 1.2, 1.6]);
    // What samples and what is trained are two graphs of the same numbers.
    for (const m of metrics) expect(m['sampling/sampling_logp_difference/max']).toBeLessThan(1e-4);
    expect(Math.max(...metrics.map((m) => m['sampling/sampling_logp_difference/max']))).toBeGreaterThan(0);
    expect(summary).toMatchObject({ steps: 4, queries: 5, rollouts: 32 });
  });

  it('drops or refuses queries whose prompts are too long, and never cuts one', async () => {
    const tokens = await withTrainingModel(MODEL, ({ model }) =>
      Promise.resolve(
        cases.map((one) => {
          const grids = one.images.map(() => ({ t: 1, h: 4, w: 6 }));
          return promptIds(model.processor, prompt(Case.parse(one), null), grids).length;
        }),
      ),
    );
    const longest = Math.max(...tokens);
    const given = { steps: 1, guidelineMode: 'none', maxPromptTokens: longest - 1 };
    const fit = tokens.filter((count) => count < longest).length;
    const { out, summary } = await train('out', { ...given, overlong: 'drop' });
    expect(summary).toMatchObject({ queries: fit, droppedQueries: cases.length - fit });
    const long = new Set(cases.filter((_, i) => tokens[i] === longest).map(({ id }) => id));
    const rollouts = await readRows(join(out, 'rollouts.jsonl'), Rollout);
    expect(rollouts.filter(({ caseId }) => long.has(caseId))).toEqual([]);
    await expect(train('refused', given)).rejects.toThrow(
      `${cases.length - fit} of ${cases.length} queries have prompts longer than maxPromptTokens ${longest - 1}`,
    );
  });

  it('gives the same bytes twice, and when it is stopped and resumed', async () => {
    const given = { guidelineMode: 'rotate', beta: 0.05 };
    const whole = await filesOf((await train('whole', given)).out);
    expect(await filesOf((await train('again', given)).out)).toEqual(whole);
    const root = join(folder, 'stopped');
    await expect(train('cut', given, recordedIo(root, { stopAt: 2 }))).rejects.toThrow('stopped by the test');
    const io = recordedIo(root, { resume: join(root, '2') });
    const resumed = await train('resumed', given, io);
    expect(io.events[0]?.done).toBe(3);
    expect(await filesOf(resumed.out)).toEqual(whole);
  });

  it('refuses a checkpoint of other parameters, data or guidelines, and goes on to more steps', async () => {
    const root = join(folder, 'stopped');
    const given = { guidelineMode: 'rotate', steps: 3 };
    await expect(train('cut', given, recordedIo(root, { stopAt: 2 }))).rejects.toThrow('stopped by the test');
    const io = recordedIo(root, { resume: join(root, '2') });
    await expect(train('a', { ...given, beta: 0.5 }, io)).rejects.toThrow(
      `${join(root, '2')}/trainer_state.json: params.beta is 0.001, this training has 0.5. Give`,
    );
    await expect(train('b', { ...given, guidelineMode: 'none' }, io)).rejects.toThrow('inputs.guidelines is');
    const { summary } = await train('more', { ...given, steps: 4 }, io);
    expect(summary).toMatchObject({ steps: 4, rollouts: 32 });
    expect(io.lines).toEqual(['goes on from step 2, where params.steps is 3, this training has 4']);
    const start = shared('golden/merge/adapter-AM');
    await expect(train('c', given, io, { start })).rejects.toThrow('inputs.model is');
    await writeFile(data, `${JSON.stringify({ ...cases[0], gold: 'D' })}\n`);
    await expect(train('d', given, io)).rejects.toThrow('inputs.data is');
  });

  it('adapts the tower too, held near what the untrained tower sees, and resumes within dropout', async () => {
    const given = { targets: ['language', 'vision', 'merger'], dropout: 0.3, beta: 0.1, steps: 3 };
    const { out } = await train('whole', given);
    const root = join(folder, 'stopped');
    await expect(train('cut', given, recordedIo(root, { stopAt: 1 }))).rejects.toThrow('stopped by the test');
    const resumed = await train('resumed', given, recordedIo(root, { resume: join(root, '1') }));
    expect(await filesOf(resumed.out)).toEqual(await filesOf(out));
    const metrics = await readRows(join(out, 'metrics.jsonl'), GbaMetric);
    expect(metrics[0]!.kl).toBeLessThan(1e-6);
    expect(metrics.at(-1)!.kl).toBeGreaterThan(1e-6);
    const { modules } = await readAdapter(nodeFolder(out), await readModelConfig(nodeFolder(MODEL)));
    const tower = [...modules].filter(([module]) => module.startsWith('visual.'));
    expect(tower.length).toBe(10);
    for (const [module, { b }] of tower) expect(Math.max(...b.map(Math.abs)), module).toBeGreaterThan(1e-4);
  });

  /** Trains on queries whose answers are rewarded by their first token. */
  const learn = (given: object) =>
    withTrainingModel(MODEL, async (training) => {
      const { processor, stopTokens, suppressed, checkpoint } = training.model;
      const { history } = await trainGba(
        {
          config: checkpoint.config,
          compute: { arithmetic: 'float32', execution: 'graph' },
          params: GbaParams.parse({
            rank: 4,
            alpha: 8,
            learningRate: 2e-2,
            steps: 12,
            promptsPerStep: 2,
            group: 16,
            maxNewTokens: 2,
            guidelineMode: 'none',
            ...given,
          }),
          chat: { ...processor, tokenizer: { ...processor.tokenizer, decode } },
          queries: [1, 2, 4].map((i) => Case.parse({ ...cases[i], gold: 'B' })),
          promptOf: prompt,
          checklistOf: () => [],
          grids: new Map(),
          loadImage: () => Promise.reject(new Error('no images')),
          stopTokens,
          suppressed,
          resume: undefined,
          fillBase: (session) => training.fillBase(session, 'float32'),
        },
        { signal: new AbortController().signal, progress: () => {}, checkpoint: () => Promise.resolve() },
        never,
      );
      return history;
    });

  it('splits a step into micro-batches without changing what is learnt', async () => {
    const given = { steps: 2, beta: 1 };
    const [whole, parts] = [await learn(given), await learn({ ...given, microBatchTokens: 64 })];
    expect(whole[1]!.kl).toBeGreaterThan(1e-3);
    for (const [i, { kl, loss, grad_norm }] of whole.entries()) {
      expect(grad_norm).toBeGreaterThan(1e-2);
      expect(parts[i]!.grad_norm / grad_norm).toBeCloseTo(1, 4);
      expect(Math.abs(kl! - parts[i]!.kl!)).toBeLessThan(1e-5);
      expect(Math.abs(loss - parts[i]!.loss)).toBeLessThan(1e-5);
    }
  });

  it('learns what is rewarded', async () => {
    const history = await learn({});
    const accuracy = history.map((m) => m['rewards/accuracy/mean']);
    expect(accuracy[0]).toBeGreaterThan(0.05);
    expect(accuracy[0]).toBeLessThan(0.95);
    expect(Math.min(...accuracy.slice(-3))).toBeGreaterThan(Math.max(0.9, accuracy[0]!));
    expect(history.at(-1)!.kl).toBeGreaterThan(0);
  });

  it('refuses data without a query, and a bad row by its line', async () => {
    await writeFile(data, '');
    await expect(train('a', {})).rejects.toThrow('no query');
    await writeFile(data, '{"version":1}\n');
    await expect(train('b', {})).rejects.toThrow('cases.jsonl:1');
  });
});
