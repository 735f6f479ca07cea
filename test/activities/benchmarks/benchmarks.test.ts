import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readBenchmark, type Benchmark } from '../../../activities/shell/benchmark-folder.ts';
import { hasShared, shared } from '../../_shared.ts';

/** How many cases have each value of a grouping field. */
function tally({ cases }: Benchmark, field: string): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { case: one } of cases) {
    const value = one.groups[field] ?? '(none)';
    counts[value] = (counts[value] ?? 0) + 1;
  }
  return counts;
}

describe.skipIf(!hasShared)('real benchmarks', () => {
  it('MedXpertQA-MM loads completely, with the counts its authors state, and its images absent', async () => {
    const mm = await readBenchmark(shared('data/medxpertqa/MM'));
    expect(mm).toMatchObject({ format: 'medxpertqa', rejects: [] });
    expect(mm.cases).toHaveLength(2000);
    expect(tally(mm, 'question_type')).toEqual({ Reasoning: 1446, Understanding: 554 });
    expect(tally(mm, 'medical_task')).toEqual({ Diagnosis: 1199, Treatment: 448, 'Basic Science': 353 });
    expect(mm.cases.every((one) => one.images === null)).toBe(true);
    expect(mm.cases.reduce((sum, one) => sum + one.case.images.length, 0)).toBe(2852);
    expect(mm.cases.some((one) => one.case.question.includes('Answer Choices:'))).toBe(false);
    expect(mm.cases.every((one) => !one.case.mayTrain && one.case.split === 'test')).toBe(true);
  });

  it('MedXpertQA-Text loads with its ten options', async () => {
    const text = await readBenchmark(shared('data/medxpertqa/Text'));
    expect(text.cases).toHaveLength(244);
    expect(text.cases.every((one) => one.case.options.length === 10 && one.images?.length === 0)).toBe(true);
  });

  it('a folder that holds both asks for one of them', async () => {
    await expect(readBenchmark(shared('data/medxpertqa'))).rejects.toThrow(
      /more than one benchmark: MM, Text/,
    );
  });

  it('MedQA loads completely and its letters agree with its answers', async () => {
    const medqa = await readBenchmark(shared('data/medqa'));
    expect(medqa.rejects).toEqual([]);
    expect(medqa.cases).toHaveLength(1273);
    expect(medqa.cases[0]!.case).toMatchObject({ id: 'medqa/US/test/00000', gold: 'B', split: 'test' });
  });

  it('OmniMedVQA finds the 11 images that are there and reports the rest as absent', async () => {
    const omni = await readBenchmark(shared('data/omnimedvqa/OmniMedVQA'));
    expect(omni.rejects).toEqual([]);
    expect(omni.cases).toHaveLength(900);
    expect(omni.cases.filter((one) => one.images !== null)).toHaveLength(11);
    expect(tally(omni, 'modality')).toEqual({
      'MR (Mag-netic Resonance Imaging)': 300,
      'CT(Computed Tomography)': 300,
      'X-Ray': 300,
    });
    const two = omni.cases.filter((one) => one.case.options.length === 2);
    expect(two).toHaveLength(75);
  });
});

describe('a benchmark folder', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'benchmark-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  const write = async (name: string, files: Record<string, string>): Promise<string> => {
    const root = path.join(folder, name);
    for (const [file, text] of Object.entries(files)) {
      await mkdir(path.dirname(path.join(root, file)), { recursive: true });
      await writeFile(path.join(root, file), text);
    }
    return root;
  };
  const omni = {
    dataset: 'X',
    question_id: 'X_0',
    question_type: 'Anatomy Identification',
    question: 'What is it?',
    gt_answer: 'lung.',
    image_path: 'Images/X/0.png',
    option_A: 'Heart',
    option_B: 'Lung',
    option_C: null,
    modality: 'X-Ray',
  };

  it('in the OmniMedVQA form is read with all its irregularities', async () => {
    const root = await write('omni', {
      'QA_information/Open-access/X.json': JSON.stringify([
        omni,
        { ...omni, question_id: 'X_1', gt_answer: 'liver' },
      ]),
      'Images/X/0.png': '',
    });
    const read = await readBenchmark(root);
    expect(read.cases).toHaveLength(1);
    expect(read.cases[0]!.case).toMatchObject({
      gold: 'B',
      options: [
        { letter: 'A', text: 'Heart' },
        { letter: 'B', text: 'Lung' },
      ],
      groups: { modality: 'X-Ray', dataset: 'X' },
    });
    expect(read.cases[0]!.images).toHaveLength(1);
    expect(read.rejects).toEqual([
      'QA_information/Open-access/X.json, record 2: gt_answer "liver" is none of the options',
    ]);
  });

  it('in the layout of MedXpertQA’s evaluation repository is read like its Hugging Face one', async () => {
    const row = {
      id: 'MM-0',
      question: 'Which?\nAnswer Choices: (A) this (B) that',
      options: [
        { letter: 'A', content: 'this' },
        { letter: 'B', content: 'that' },
      ],
      label: ['B'],
      images: [{ image_path: 'MM-0-a.jpeg' }],
      medical_task: 'Diagnosis',
      body_system: 'Skeletal',
      question_type: 'Reasoning',
    };
    const root = await write('xpert', {
      'MM/test.jsonl': `${JSON.stringify(row)}\n`,
      'MM/dev.jsonl': `${JSON.stringify({ ...row, id: 'MM-1' })}\n`,
      'images/MM-0-a.jpeg': '',
    });
    const read = await readBenchmark(path.join(root, 'MM'));
    expect(read.cases.map((one) => one.case.id)).toEqual(['MM-0']);
    expect(read.cases[0]!.case).toMatchObject({ question: 'Which?', gold: 'B' });
    expect(read.cases[0]!.images).toEqual([path.join(root, 'images/MM-0-a.jpeg')]);
  });

  it('finds images beside its data file when a folder above is named', async () => {
    const root = await write('above', {
      'cases/cases.jsonl': `${JSON.stringify({
        version: 1,
        id: 'a',
        question: 'Q',
        options: [
          { letter: 'A', text: 'x' },
          { letter: 'B', text: 'y' },
        ],
        gold: 'A',
        images: ['images/a.png'],
        source: 's',
        licence: 'l',
        split: 'test',
      })}\n`,
      'cases/images/a.png': '',
    });
    expect((await readBenchmark(root)).cases[0]!.images).toEqual([path.join(root, 'cases/images/a.png')]);
  });

  it('says which record is no case, and why', async () => {
    const row = {
      question: 'Q',
      answer: 'x',
      options: { A: 'x', B: 'y' },
      answer_idx: 'B',
      meta_info: 'step1',
    };
    const good = { ...row, answer_idx: 'A' };
    const root = await write('medqa', {
      'test.jsonl': [row, good, good].map((one) => JSON.stringify(one)).join('\n'),
    });
    const read = await readBenchmark(root);
    expect(read.cases).toHaveLength(2);
    expect(read.rejects).toEqual(['test.jsonl, record 1: answer_idx B is "y", but answer is "x"']);
  });

  it('of cases keeps the first of two with one id', async () => {
    const row = {
      version: 1,
      id: 'a',
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
    const root = await write('cases', { 'cases.jsonl': `${JSON.stringify(row)}\n${JSON.stringify(row)}\n` });
    const read = await readBenchmark(root);
    expect(read.format).toBe('cases');
    expect(read.cases).toHaveLength(1);
    expect(read.rejects[0]).toMatch(/record 2: its id a was seen before/);
  });

  it('without a benchmark is an error that says what was looked for', async () => {
    const empty = await write('none', { 'readme.txt': '' });
    await expect(readBenchmark(empty)).rejects.toThrow(
      /no JSON, JSONL, CSV or TSV file is there; formats read are cases/,
    );
    const other = await write('other', { 'a.jsonl': '{"x":1}\n' });
    await expect(readBenchmark(other)).rejects.toThrow(/none of a.jsonl fits a format/);
  });
});
