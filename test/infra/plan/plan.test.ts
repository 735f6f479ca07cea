import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readBank } from '../../../activities/clinic/bank.ts';
import { openProcessor } from '../../../activities/nn/checkpoint/processor.ts';
import { nodeFolder } from '../../../activities/nn/runtime/files.ts';
import { baseFiles } from '../../../activities/pretrain/base-files.ts';
import { casePrompt } from '../../../activities/prompts/case-prompt.ts';
import { BadSpeeds, keepSpeeds, keptSpeeds } from '../../../infra/plan/kept-speeds.ts';
import { measuredSpeeds } from '../../../infra/plan/speeds.ts';
import { Case } from '../../../schemas/case.ts';
import { inFloat32 } from '../../activities/_compute.ts';
import { assumptionsFor } from '../../../infra/plan/assumptions.ts';
import type { Given } from '../../../infra/plan/assumptions.ts';
import { baseConfig, UnknownBase } from '../../../infra/plan/base-config.ts';
import { imageTokensOf, plannedCases } from '../../../infra/plan/cases.ts';
import type { PlannedCases, Reader } from '../../../infra/plan/cases.ts';
import { lineOf, planRun } from '../../../infra/plan/plan.ts';
import type { PlannedStage } from '../../../infra/plan/plan.ts';
import { combine, total } from '../../../infra/plan/quantity.ts';
import { renderPlan } from '../../../infra/plan/render.ts';
import { stepsOf } from '../../../infra/plan/steps.ts';
import { modelParameters } from '../../../activities/nn/models/parameters.ts';
import { caseSources, PipelineConfig } from '../../../schemas/config.ts';
import { presets } from '../../../schemas/presets.ts';

const { demo } = presets;
const tiny = await baseConfig(demo.base, undefined);

const casesOf = async (config: PipelineConfig, given: Given): Promise<Record<string, PlannedCases>> => {
  const reader = { vision: tiny.vision, base: config.base, processor: undefined };
  const cases: Record<string, PlannedCases> = {};
  for (const [name, source] of Object.entries(caseSources(config)))
    cases[name] = await plannedCases(source, reader, given);
  return cases;
};

const planned = async (config: PipelineConfig, given: Given = {}): Promise<Map<string, PlannedStage>> => {
  const cases = await casesOf(config, given);
  const stages = await planRun(config, tiny, inFloat32, cases, assumptionsFor(config, given));
  return new Map(stages.map((stage) => [stage.step, stage]));
};

describe('a number of a plan', () => {
  it('is as sure as the least sure of those it is computed from', () => {
    const cases = { value: 10, from: 'config' } as const;
    expect(combine((n) => 2 * n, cases)).toEqual({ value: 20, from: 'config' });
    expect(total(cases, { value: 1, from: 'assumed' }, { value: 2, from: 'measured' })).toEqual({
      value: 13,
      from: 'assumed',
    });
  });

  it('is unknown where one of them is', () =>
    expect(total({ value: 1, from: 'config' }, undefined)).toBeUndefined());
});

/** Names of the steps that a recorded run of the demo took, from what its workflow sent to its activities. */
async function recordedRun(): Promise<{ config: PipelineConfig; steps: string[] }> {
  const file = path.join(import.meta.dirname, '../../replay/histories/pipeline-2.json');
  const text = await readFile(file, 'utf8');
  const payloads = [...text.matchAll(/"data":\s*"([A-Za-z0-9+/=]+)"/g)].map(([, data]) =>
    Buffer.from(data!, 'base64').toString(),
  );
  const steps = payloads.flatMap((payload) => [...payload.matchAll(/"step":"([^"]+)"/g)]);
  const input = payloads.find((payload) => payload.includes('"runId"') && payload.includes('"config"'))!;
  const { config } = JSON.parse(input) as { config: unknown };
  return { config: PipelineConfig.parse(config), steps: [...new Set(steps.map(([, step]) => step!))] };
}

describe('the steps of a plan', () => {
  const walked = async (config: PipelineConfig): Promise<string[]> =>
    (await stepsOf(config)).map(({ step }) => step);
  const made = async (models: readonly string[], change: object = {}): Promise<string[]> => {
    const config = PipelineConfig.parse({ ...demo, ...change, evaluate: { ...demo.evaluate, models } });
    return (await walked(config)).filter((step) => /^(sft|gba|merge)/.test(step)).sort();
  };
  const EXPERTS = ['sft/AM', 'sft/BS', 'sft/CAH', 'sft/CSI'];

  it('are those that a recorded run took', async () => {
    const { config, steps } = await recordedRun();
    expect(steps.length).toBeGreaterThan(20);
    expect((await walked(config)).sort()).toEqual(steps.sort());
  });

  it.each(Object.entries(presets))('are all in the plan of %s, and no other is', async (_name, config) => {
    const lines = new Set((await stepsOf(config)).map(lineOf));
    expect(new Set((await planned(config)).keys())).toEqual(lines);
  });

  it('stand after those whose outputs they need', async () => {
    const lines = [...(await planned(demo)).keys()];
    const order = ['ingest/train', 'synthesize/*', 'stratify', 'sft/AM', 'merge/start', 'gba', 'merge/final'];
    expect(lines.filter((line) => order.includes(line))).toEqual(order);
    expect(lines.slice(-2)).toEqual(['evaluate/*', 'report']);
  });

  it('are what the evaluated models need', async () => {
    expect(await made(['base'])).toEqual([]);
    expect(await made(['BS', 'mixed'])).toEqual(['sft/BS', 'sft/mixed']);
    expect(await made(['gba'])).toEqual(['gba', 'merge/start', ...EXPERTS]);
    expect(await made(['final'])).toEqual(['gba', 'merge/final', 'merge/start', ...EXPERTS]);
  });

  it('follow where RL starts and how the last merge is made', async () => {
    expect(await made(['gba'], { gba: { ...demo.gba, start: 'base' } })).toEqual(['gba']);
    const slerp = { ...demo.merge, final: { ...demo.merge.final, method: 'slerp' } };
    expect(await made(['final'], { merge: slerp })).toContain('merge/mean');
    expect(await made(['final'], { gba: { ...demo.gba, enabled: false } })).toEqual([
      'merge/final',
      ...EXPERTS,
    ]);
  });
});

describe('the plan of the paper', () => {
  const paper = presets['paper-2b'];
  const given = { tokensPerQuestion: 380, tokensPerTeacherPrompt: 120, tokensPerTeacherAnswer: 1000 };
  const text = { ...paper, sources: { ...paper.sources, images: undefined } };

  it('has its 8K text cases, the traces that are kept of them, and what they cost', async () => {
    const stages = await planned(PipelineConfig.parse(text), given);
    expect(stages.get('synthesize/*')).toMatchObject({
      calls: { value: 8000, from: 'config' },
      tokens: { value: 12_000_000, from: 'given' },
    });
    // 4M tokens in at 1.25, 8M out at 10.
    expect(stages.get('synthesize/*')!.cost!.value).toBeCloseTo(85, 6);
    expect(stages.get('stratify')!.items!.value).toBe(3120);
    expect(stages.get('review')).toMatchObject({ items: { value: 5200 }, physicianHours: { value: 260 } });
    // 702 rows of a specialty, 3 epochs of windows of 8.
    expect(stages.get('sft/AM')!.steps!.value).toBe(264);
    expect(stages.get('sft/AM')!.tokens!.value).toBe(702 * 3 * 880);
    expect(stages.get('gba')!.items).toEqual({ value: 488 * 8 * 8, from: 'config' });
  });

  it('counts the tokens of images wherever a model or the teacher sees them', async () => {
    const [without, with1, with2] = [
      await planned(paper, { ...given, imagesPerCase: 0 }),
      await planned(paper, { ...given, imagesPerCase: 1, imageWidth: 560, imageHeight: 280 }),
      await planned(paper, { ...given, imagesPerCase: 2, imageWidth: 560, imageHeight: 280 }),
    ];
    const each = imageTokensOf({ vision: tiny.vision, base: paper.base }, { width: 560, height: 280 });
    expect(each).toBeGreaterThan(100);
    for (const line of ['sft/AM', 'gba', 'evaluate/*', 'evaluate/*/pmc-vqa']) {
      const [none, one, two] = [without, with1, with2].map((stages) => stages.get(line)!);
      const items = none!.items!.value * (line === 'sft/AM' ? paper.sft.AM.epochs : 1);
      expect(one!.tokens!.value - none!.tokens!.value, line).toBeCloseTo(items * each, 3);
      expect(two!.tokens!.value - none!.tokens!.value, line).toBeCloseTo(2 * items * each, 3);
    }
    const [sent, more] = [without, with1].map((stages) => stages.get('synthesize/*')!);
    expect(more!.tokens!.value - sent!.tokens!.value).toBeCloseTo(630 * sent!.calls!.value, 3);
    const peak = (stages: Map<string, PlannedStage>) => stages.get('sft/AM')!.peakMemory!.value;
    expect(peak(with1)).toBeGreaterThan(peak(without));
  });

  it('knows hours only where a speed is known', async () => {
    expect((await planned(paper)).get('sft/AM')!.hours).toBeNull();
    const speeds = { trainSpeed: 702 * 880, sampleSpeed: 1000 };
    const stages = await planned(PipelineConfig.parse(text), { ...given, ...speeds });
    expect(stages.get('sft/AM')!.hours!.value).toBeCloseTo(3 / 3600, 9);
  });

  it('knows no price of a teacher that it does not know', async () => {
    const teacher = { ...paper.synthesize.teacher, model: 'house-model' };
    const config = { ...paper, synthesize: { ...paper.synthesize, teacher } };
    expect((await planned(config)).get('synthesize/*')!.cost).toBeNull();
    const prices = { priceInput: 0, priceOutput: 1, tokensPerTeacherImage: 0 };
    const priced = await planned(config, prices);
    expect(priced.get('synthesize/*')!.cost!.value).toBeCloseTo((9524 * 1500) / 1e6, 9);
  });

  it('has the shapes of its bases, and asks for those it does not know', async () => {
    const [small, large] = [
      await baseConfig(paper.base, undefined),
      await baseConfig(presets['paper-7b'].base, undefined),
    ];
    expect(small.text).toMatchObject({ hiddenSize: 1536, layers: 28, kvHeads: 2, tied: true });
    expect(large.vision).toMatchObject({ kind: 'qwen2_5_vl', outDim: large.text.hiddenSize });
    await expect(baseConfig({ ...paper.base, path: 'models/other' }, undefined)).rejects.toThrow(UnknownBase);
  });
});

describe('a published base', () => {
  // As counted of the files on Hugging Face; the 2B's output projection is its embedding table, counted once.
  it.each([
    ['Qwen2-VL-2B-Instruct', 2_208_985_600],
    ['Qwen2-VL-7B-Instruct', 8_291_375_616],
    ['Qwen2.5-VL-7B-Instruct', 8_292_166_656],
    ['Lingshu-7B', 8_292_166_656],
  ])('%s has as many parameters as its files', async (name, count) => {
    const { base } = presets['paper-2b'];
    const config = await baseConfig({ ...base, path: `models/${name}` } as typeof base, undefined);
    const sizes = modelParameters(config).map(({ shape }) => shape.reduce((size, side) => size * side, 1));
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(count);
  });
});

describe('the cases of a source', () => {
  let folder: string;
  let reader: Reader;
  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'plan-cases-'));
    if (demo.base.kind !== 'pretrain') throw new TypeError('the demo makes its base');
    const bank = readBank(JSON.parse(await readFile(demo.base.path, 'utf8')));
    const { kind: _kind, path: _path, ...params } = demo.base;
    for (const [name, content] of Object.entries(baseFiles(bank, params)))
      await writeFile(
        path.join(folder, name),
        typeof content === 'string' ? content : JSON.stringify(content),
      );
    reader = { vision: tiny.vision, base: demo.base, processor: await openProcessor(nodeFolder(folder)) };
  });
  afterAll(() => rm(folder, { recursive: true }));

  const row = {
    version: 1,
    question: 'Q',
    options: [
      { letter: 'A', text: 'x' },
      { letter: 'B', text: 'y' },
    ],
    gold: 'A',
    source: 's',
    licence: 'l',
    split: 'test',
  };

  it('are counted where they are here: how many, their tokens, their images', async () => {
    const at = path.join(folder, 'cases');
    await mkdir(at);
    const rows = [
      { ...row, id: 'a', images: ['a.png', 'b.png'] },
      { ...row, id: 'b' },
    ];
    await writeFile(path.join(at, 'rows.jsonl'), rows.map((one) => JSON.stringify(one)).join('\n'));
    for (const name of ['a.png', 'b.png'])
      await sharp({ create: { width: 112, height: 56, channels: 3, background: 'red' } })
        .png()
        .toFile(path.join(at, name));
    const source = { format: 'jsonl', path: at, seed: 0 } as const;
    const { count, question, images, imageTokens } = await plannedCases(source, reader, {});
    const each = imageTokensOf(reader, { width: 112, height: 56 });
    expect(count).toEqual({ value: 2, from: 'counted' });
    expect(question).toMatchObject({ from: 'counted', note: '2 questions' });
    const text = reader.processor!.render([casePrompt({ ...Case.parse(rows[1]) }, null)], true);
    expect(question.value).toBe(reader.processor!.tokenizer.encode(text).length);
    expect(images).toEqual({ value: 1, from: 'counted' });
    expect(imageTokens).toEqual({ value: each, from: 'counted', note: '2 images' });
    const given = await plannedCases(source, reader, { tokensPerQuestion: 9, imagesPerCase: 3 });
    expect(given).toMatchObject({
      question: { value: 9, from: 'given' },
      images: { value: 3, from: 'given' },
    });
  });

  it('are as their format usually has them where they are not, and say from where that is', async () => {
    const source = { format: 'medxpertqa', path: 'nowhere', seed: 0 } as const;
    const { count, question, imageTokens } = await plannedCases(source, reader, {});
    expect(count).toMatchObject({ value: 2000, from: 'assumed' });
    expect(question).toMatchObject({
      value: 198,
      from: 'assumed',
      note: expect.stringContaining('MM/test.jsonl'),
    });
    expect(imageTokens).toMatchObject({ from: 'assumed', note: expect.stringContaining('1024 × 768') });
  });
});

describe('measured speeds', () => {
  const probe = {
    version: 1 as const,
    measuredAt: '2026-11-20T10:00:00.000Z',
    row: 900,
    prompt: 400,
    train: 120.5,
    sample: 30,
  };
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'plan-speeds-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  it('are remembered for the setting they were measured in, the newest of each', async () => {
    await keepSpeeds(folder, { model: 'a' }, { ...probe, train: 1 });
    await keepSpeeds(folder, { model: 'a' }, probe);
    expect(await keptSpeeds(folder, { model: 'a' })).toEqual(probe);
    expect(await keptSpeeds(folder, { model: 'b' })).toBeUndefined();
    expect(measuredSpeeds(probe).train).toMatchObject({
      value: 120.5,
      from: 'measured',
      note: expect.stringMatching(/^bench train, rows of 900 tokens, on .*, 2026-11-20$/),
    });
  });

  it('are read from a file of version 1, and refused from a damaged one', async () => {
    const [file] = await readdir(folder);
    const at = path.join(folder, file!);
    await writeFile(at, JSON.stringify(probe));
    expect(await keptSpeeds(folder, { model: 'a' })).toEqual(probe);
    await writeFile(at, JSON.stringify({ ...probe, train: -1 }));
    await expect(keptSpeeds(folder, { model: 'a' })).rejects.toThrow(BadSpeeds);
    await writeFile(at, '{"version":');
    await expect(keptSpeeds(folder, { model: 'a' })).rejects.toThrow(
      /damaged .* remove it, or measure again/,
    );
  });
});

describe('predicted memory', () => {
  const memoryOf = async (config: PipelineConfig, step: string): Promise<number> =>
    (await planned(config)).get(step)!.peakMemory!.value;

  it('is less where layers are computed again, and more for more rollouts', async () => {
    const rows = { ...demo.sft.AM, accumulate: 16 };
    const kept = await memoryOf({ ...demo, sft: { ...demo.sft, AM: rows } }, 'sft/AM');
    const again = await memoryOf(
      { ...demo, sft: { ...demo.sft, AM: { ...rows, recompute: true } } },
      'sft/AM',
    );
    expect(again).toBeLessThan(kept);
    const few = await memoryOf(demo, 'gba');
    expect(await memoryOf({ ...demo, gba: { ...demo.gba, group: 32 } }, 'gba')).toBeGreaterThan(few);
  });
});

describe('a plan as text', () => {
  it('says of each number where it is from, and what is missing', async () => {
    const given = { trainSpeed: 1000, tokensPerQuestion: 70 };
    const assumed = assumptionsFor(demo, given);
    const cases = await casesOf(demo, given);
    const stages = await planRun(demo, tiny, inFloat32, cases, assumed);
    const text = renderPlan(stages, { cases, assumed, given }, 'cpu');
    expect(text).toMatch(/^synthesize\/\* +1,920 config +288,000 assumed/m);
    expect(text).toMatch(/^sft\/AM .* MB predicted +0\.\d+ assumed/m);
    expect(text).toMatch(/^train +480 config +70 given +0\.\d+ config +\d[\d.]* config$/m);
    expect(text).toMatch(/^ {2}train: images of 56 × 56, as they are drawn$/m);
    expect(text).toMatch(/^ {2}--tokens-per-question +70 given/m);
    expect(text).toMatch(/^ {2}--image-width +· /m);
    expect(text).toMatch(/^ {2}--train-speed +1,000 given/m);
    expect(text).toMatch(/^ {2}--sample-speed +unknown/m);
    expect(text).toMatch(/^ {2}--kept-by-filter +0\.78 assumed +.*\(the demo kept 1,502 of 1,920 traces\)$/m);
    expect(text).toContain('Give --measure --model DIR');
    expect(renderPlan(stages, { cases, assumed, given }, 'cuda')).toContain('GPU-hours');
  });

  it('names a source for everything that it assumes', () => {
    for (const config of Object.values(presets))
      for (const [name, quantity] of Object.entries(assumptionsFor(config, {})))
        if (quantity !== undefined) expect(quantity.note, name).toBeTruthy();
  });
});
