import { copyFile, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ingestStage, NoCases } from '../../../activities/ingest/activity.ts';
import type { Case } from '../../../schemas/case.ts';
import { hasShared, shared } from '../../_shared.ts';
import { caseWith } from '../_cases.ts';
import { bankFile } from '../clinic/_bank.ts';
import { rowsOf, runStage, scratchFolder } from '../_stage-io.ts';

let root: string;
let remove: () => Promise<void>;
beforeAll(async () => {
  ({ path: root, remove } = await scratchFolder());
});
afterAll(() => remove());

const sourceOf = async (name: string, files: Record<string, string>): Promise<string> => {
  const folder = path.join(root, name);
  await mkdir(folder, { recursive: true });
  for (const [file, text] of Object.entries(files)) await writeFile(path.join(folder, file), text);
  return folder;
};

describe('ingest of the clinic', () => {
  const clinic = { format: 'clinic', casesPerSpecialty: 10, seed: 3, imageShare: 0.2, split: 'train' };
  const ingest = async (over = {}) => {
    const source = path.join(root, 'bank');
    await mkdir(source, { recursive: true });
    await copyFile(bankFile, path.join(source, 'bank.json'));
    return runStage(ingestStage, { ...clinic, ...over }, { source }, root);
  };

  it('draws as many cases of each specialty, a fifth of them with a PNG of 56 × 56', async () => {
    const { outputs, summary } = await ingest();
    expect(summary).toEqual({ cases: 40, images: 8, rejected: 0 });
    const cases = await rowsOf<Case>(outputs['cases']!, 'cases.jsonl');
    const images = cases.flatMap((one) => one.images);
    expect((await readdir(path.join(outputs['cases']!, 'images'))).map((name) => `images/${name}`)).toEqual(
      images.toSorted(),
    );
    const png = await readFile(path.join(outputs['cases']!, images[0]!));
    expect([png.readUInt32BE(16), png.readUInt32BE(20)]).toEqual([56, 56]);
  });

  it('gives the same bytes again, and other cases for another seed or split', async () => {
    const files = async (over = {}) => {
      const folder = (await ingest(over)).outputs['cases']!;
      const images = (await readdir(path.join(folder, 'images'))).toSorted();
      return Promise.all(
        ['cases.jsonl', ...images.map((name) => `images/${name}`)].map((name) =>
          readFile(path.join(folder, name), 'base64'),
        ),
      );
    };
    const first = await files();
    expect(await files()).toEqual(first);
    expect((await files({ seed: 4 }))[0]).not.toBe(first[0]);
    const test = Buffer.from((await files({ split: 'test' }))[0]!, 'base64').toString();
    const questions = (text: string) =>
      text
        .split('\n')
        .filter(Boolean)
        .map((line) => (JSON.parse(line) as Case).question);
    expect(questions(test)).not.toEqual(questions(Buffer.from(first[0]!, 'base64').toString()));
  });

  it('keeps a case’s number and content when more cases are drawn', async () => {
    const few = await rowsOf<Case>((await ingest()).outputs['cases']!, 'cases.jsonl');
    const more = await rowsOf<Case>(
      (await ingest({ casesPerSpecialty: 15 })).outputs['cases']!,
      'cases.jsonl',
    );
    const byId = new Map(more.map((one) => [one.id, one]));
    for (const one of few) expect(byId.get(one.id)).toEqual(one);
  });
});

describe('ingest of files', () => {
  const jsonl = { format: 'jsonl', seed: 0, split: 'train' };

  it('takes good rows and keeps bad ones aside with file, line, field and reason', async () => {
    const good = caseWith({ id: 'good' });
    const source = await sourceOf('mixed', {
      'a.jsonl': [
        JSON.stringify(good),
        '{"version":1',
        JSON.stringify({ ...good, id: 'bad', gold: 'Q' }),
        JSON.stringify(good),
        JSON.stringify({ ...good, id: 'held', mayTrain: false }),
      ].join('\n'),
    });
    const { outputs, summary } = await runStage(ingestStage, jsonl, { source }, root);
    expect(summary).toEqual({ cases: 1, rejected: 4 });
    expect(await rowsOf(outputs['cases']!, 'rejects.jsonl')).toEqual([
      { place: 'a.jsonl, line 2', reason: 'not JSON' },
      { place: 'a.jsonl, line 3', reason: 'gold: gold is not the letter of an option' },
      { place: 'a.jsonl, line 4', reason: 'id: good was seen before' },
      { place: 'held', reason: 'mayTrain is false: it belongs to a benchmark' },
    ]);
  });

  it('draws a seeded subset in the order of the file', async () => {
    const rows = Array.from({ length: 20 }, (_, i) =>
      JSON.stringify(caseWith({ id: `c${String(i).padStart(2, '0')}` })),
    );
    const source = await sourceOf('twenty', { 'cases.jsonl': rows.join('\n') });
    const ids = async (seed: number) => {
      const { outputs } = await runStage(ingestStage, { ...jsonl, limit: 5, seed }, { source }, root);
      return (await rowsOf<Case>(outputs['cases']!, 'cases.jsonl')).map(({ id }) => id);
    };
    const drawn = await ids(1);
    expect(drawn).toHaveLength(5);
    expect(drawn).toEqual(drawn.toSorted());
    expect(await ids(1)).toEqual(drawn);
    expect(await ids(2)).not.toEqual(drawn);
  });

  it('fails and quotes the first problem where no case is left', async () => {
    const source = await sourceOf('none', { 'a.jsonl': 'hello' });
    const run = runStage(ingestStage, jsonl, { source }, root);
    await expect(run).rejects.toThrow(NoCases);
    await expect(run).rejects.toThrow(/a\.jsonl, line 1: not JSON/);
  });

  it.skipIf(!hasShared)(
    'reads MedQA as its authors ship it, to evaluate on but never to train on',
    async () => {
      const source = shared('data/medqa/US');
      const params = { format: 'medqa', limit: 25, seed: 1 };
      const { outputs, summary } = await runStage(
        ingestStage,
        { ...params, split: 'test' },
        { source },
        root,
      );
      expect(summary['cases']).toBe(25);
      const [first] = await rowsOf<Case>(outputs['cases']!, 'cases.jsonl');
      expect(first).toMatchObject({ source: 'MedQA', split: 'test', mayTrain: false });
      await expect(runStage(ingestStage, { ...params, split: 'train' }, { source }, root)).rejects.toThrow(
        /mayTrain is false/,
      );
    },
  );
});
