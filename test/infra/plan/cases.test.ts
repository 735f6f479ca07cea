import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readBank } from '../../../activities/clinic/bank.ts';
import { openProcessor } from '../../../activities/nn/checkpoint/processor.ts';
import { nodeFolder } from '../../../activities/nn/runtime/files.ts';
import { baseFiles } from '../../../activities/pretrain/base-files.ts';
import { casePrompt } from '../../../activities/prompts/case-prompt.ts';
import { Case } from '../../../schemas/case.ts';
import { imageTokensOf, plannedCases } from '../../../infra/plan/cases.ts';
import type { Reader } from '../../../infra/plan/cases.ts';
import { demo, tiny } from './_planned.ts';

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
