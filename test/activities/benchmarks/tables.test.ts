import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readBenchmark, type Benchmark } from '../../../activities/shell/benchmark-folder.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'tables-'));
});
afterAll(() => rm(folder, { recursive: true }));

const write = async (name: string, files: Record<string, string | Buffer>): Promise<string> => {
  const root = path.join(folder, name);
  for (const [file, content] of Object.entries(files)) {
    await mkdir(path.dirname(path.join(root, file)), { recursive: true });
    await writeFile(path.join(root, file), content);
  }
  return root;
};

const casesOf = ({ cases }: Benchmark) => cases.map((one) => one.case);

describe('PMC-VQA', () => {
  const head2 = 'index,Figure_path,Caption,Question,Choice A,Choice B,Choice C,Choice D,Answer,split\n';
  const head1 = 'Figure_path,Question,Answer,Choice A,Choice B,Choice C,Choice D,Answer_label\n';

  it('of version 2 has letters as answers, options without their own letters, and figures in their folder', async () => {
    const root = await write('pmc2', {
      'test_2.csv':
        head2 +
        '0,PMC1_Fig1_2.jpg,"Colours, many",  What colour is it? ," A: Green ", B:Red, C: Blue, D: A: none,D,test\n' +
        '1,PMC2_Fig1_1.jpg,,Which?,A: x,B: y,C: z,D: w,A,test\n',
      'figures/PMC1_Fig1_2.jpg': '',
    });
    const read = await readBenchmark(root);
    expect(read).toMatchObject({ format: 'pmc-vqa', rejects: [] });
    expect(casesOf(read)[0]).toMatchObject({
      id: 'pmc-vqa/test_2/000000',
      question: 'What colour is it?',
      options: [
        { letter: 'A', text: 'Green' },
        { letter: 'B', text: 'Red' },
        { letter: 'C', text: 'Blue' },
        { letter: 'D', text: 'A: none' },
      ],
      gold: 'D',
      groups: { file: 'test_2.csv' },
      split: 'test',
      mayTrain: false,
    });
    expect(read.cases.map((one) => one.images)).toEqual([[path.join(root, 'figures/PMC1_Fig1_2.jpg')], null]);
  });

  it('of version 1 has its letter in a column of its own, and whole figures in images/', async () => {
    const root = await write('pmc1', {
      'test_clean.csv': `${head1}PMC1_F1.jpg,What?,Focal,A:Diffuse,B:Focal,C:None,D:Unclear,B\n`,
      'test.csv': `${head1}PMC9_F1.jpg,What?,Focal,A:Diffuse,B:Focal,C:None,D:Unclear,B\n`,
      'train.csv': `${head1}PMC8_F1.jpg,What?,Focal,A:Diffuse,B:Focal,C:None,D:Unclear,B\n`,
      'images/PMC1_F1.jpg': '',
    });
    const read = await readBenchmark(root);
    expect(casesOf(read)).toHaveLength(1);
    expect(casesOf(read)[0]).toMatchObject({ gold: 'B', groups: { file: 'test_clean.csv' } });
    expect(read.cases[0]!.images).toEqual([path.join(root, 'images/PMC1_F1.jpg')]);
  });

  it('to learn from may be trained on, whatever its answers’ column is called', async () => {
    const root = await write('pmc-train', {
      'train_2.csv': `${head2.replace('Answer', 'Anwser')}0,a.jpg,,Which?,x,y,z,w,C,train\n`,
    });
    expect(casesOf(await readBenchmark(root))[0]).toMatchObject({
      gold: 'C',
      split: 'train',
      mayTrain: true,
    });
  });

  it('says which record has no answer or no question', async () => {
    const root = await write('pmc-bad', {
      'test_2.csv': `${head2}0,a.jpg,,Which?,x,y,z,w,Green,test\n1,a.jpg,,  ,x,y,z,,A,test\n`,
    });
    const { rejects } = await readBenchmark(root);
    expect(rejects).toEqual([
      'test_2.csv, record 1: Answer: "Green" is none of the letters A to D',
      expect.stringMatching(/^test_2\.csv, record 2: Question: .*; Choice D: /),
    ]);
  });
});

describe('GMAI-MMBench', () => {
  const names = [
    'index',
    'image',
    'question',
    'A',
    'B',
    'C',
    'D',
    'E',
    'answer',
    'category',
    'original task',
    'modality',
    'clinical VQA task',
    'department',
    'perceptual granularity',
  ];
  const picture = Buffer.alloc(120, 7);
  const row = {
    index: '17',
    image: picture.toString('base64'),
    question: 'Which organ is it?',
    A: 'liver',
    B: 'spleen',
    C: 'None',
    answer: 'B',
    category: 'spleen',
    'original task': 'SEG_2D',
    modality: 'CT',
    'clinical VQA task': 'Organ Recognition - Abdomen',
    department: 'General Surgery (GS)',
    'perceptual granularity': 'mask level',
  };
  const table = (rows: readonly Readonly<Record<string, string>>[], columns = names): string =>
    `${[columns, ...rows.map((one) => columns.map((name) => one[name] ?? ''))].map((cells) => cells.join('\t')).join('\n')}\n`;

  it('is read with two to five options and its groups, the image taken out of the row', async () => {
    const root = await write('gmai', {
      'GMAI_mm_bench_VAL.tsv': table([row]),
      'GMAI_mm_bench_TEST_part_1.tsv': table([{ ...row, index: '18' }]),
    });
    const unpacked = path.join(folder, 'gmai-unpacked');
    const read = await readBenchmark(root, unpacked);
    expect(read).toMatchObject({ format: 'gmai-mmbench', rejects: [] });
    expect(casesOf(read)).toEqual([
      expect.objectContaining({
        id: 'gmai-mmbench/17',
        options: [
          { letter: 'A', text: 'liver' },
          { letter: 'B', text: 'spleen' },
        ],
        gold: 'B',
        groups: {
          clinical_task: 'Organ Recognition - Abdomen',
          department: 'General Surgery (GS)',
          granularity: 'mask level',
          modality: 'CT',
          original_task: 'SEG_2D',
        },
        mayTrain: false,
      }),
    ]);
    const [file] = read.cases[0]!.images!;
    expect(await readFile(file!)).toEqual(picture);
  });

  it('without a folder to take images out to has cases whose images are absent', async () => {
    const root = await write('gmai-absent', { 'GMAI_mm_bench_VAL.tsv': table([row]) });
    const read = await readBenchmark(root);
    expect(read.cases.map((one) => one.images)).toEqual([null]);
  });

  it('shares an image between rows, takes several, and knows the names of VLMEvalKit’s copies', async () => {
    const other = Buffer.alloc(90, 3);
    const lower = names.map((name) => (/^[A-Z]$/.test(name) ? name : name.toLowerCase()));
    const rows = [
      { ...row, index: '1', image: '2', 'clinical vqa task': 'Bone', answer: 'A' },
      { ...row, index: '2', 'clinical vqa task': 'Bone' },
      { ...row, index: '3', image: `['${row.image}', '${other.toString('base64')}']` },
    ];
    const root = await write('gmai-lower', { 'GMAI-MMBench_VAL.tsv': table(rows, lower) });
    const read = await readBenchmark(root, path.join(folder, 'gmai-lower-unpacked'));
    expect(read.rejects).toEqual([]);
    expect(casesOf(read)[0]!.groups['clinical_task']).toBe('Bone');
    expect(read.cases[0]!.images).toEqual(read.cases[1]!.images);
    const several = await Promise.all(read.cases[2]!.images!.map((file) => readFile(file)));
    expect(several).toEqual([picture, other]);
  });

  it('of TEST has no answers, and says so of each record', async () => {
    const root = await write('gmai-test', {
      'GMAI_mm_bench_TEST_part_1.tsv': table(
        [row],
        names.filter((name) => name !== 'answer'),
      ),
    });
    const { cases, rejects } = await readBenchmark(root);
    expect(cases).toEqual([]);
    expect(rejects).toEqual([
      'GMAI_mm_bench_TEST_part_1.tsv, record 1: answer: is not there: TEST is published without answers, VAL has them',
    ]);
  });

  it('refuses an answer that is no option and an image that is no image', async () => {
    const root = await write('gmai-bad', {
      'GMAI_mm_bench_VAL.tsv': table([
        { ...row, index: '1', answer: 'D' },
        { ...row, index: '2', image: '*'.repeat(80) },
        { ...row, index: '../3' },
      ]),
    });
    const { rejects } = await readBenchmark(root, path.join(folder, 'gmai-bad-unpacked'));
    expect(rejects).toEqual([
      'GMAI_mm_bench_VAL.tsv, record 1: answer: "D" is not the letter of an option',
      'GMAI_mm_bench_VAL.tsv, record 2: image: is neither base64 nor the index of a row',
      `GMAI_mm_bench_VAL.tsv, record 3: its image's name "../3.png" is no name of a file`,
    ]);
  });
});

describe('JAMA Clinical Challenge', () => {
  const row = {
    link: 'https://jamanetwork.com/journals/jamaneurology/fullarticle/1234567',
    question: 'An invented woman forgets words. What is it?',
    opa: 'A. Delirium',
    opb: 'B.Aphasia',
    opc: 'C Unrelated',
    opd: 'D. Amnesia',
    diagnosis: 'Aphasia',
    answer_idx: 'B',
    answer: 'aphasia.',
    explanation: 'Because.',
    field: 'Neurology Clinical Challenge',
  };
  const csv = (rows: readonly object[]): string =>
    [Object.keys(rows[0]!), ...rows.map((one) => Object.values(one) as string[])]
      .map((cells) => cells.map((cell) => `"${cell}"`).join(','))
      .join('\n');

  it('is read from either file of its scraper, its journal telling what it is about', async () => {
    const root = await write('jama', {
      'jama_raw.csv': csv([row]),
      'jama_raw.json': JSON.stringify([{ id: 0, ...row }]),
    });
    const read = await readBenchmark(root);
    expect(read).toMatchObject({ format: 'jama', rejects: [] });
    expect(casesOf(read)).toEqual([
      expect.objectContaining({
        id: 'jama/jamaneurology/1234567',
        options: [
          { letter: 'A', text: 'Delirium' },
          { letter: 'B', text: 'Aphasia' },
          { letter: 'C', text: 'C Unrelated' },
          { letter: 'D', text: 'Amnesia' },
        ],
        gold: 'B',
        images: [],
        topics: ['neurology'],
        groups: { journal: 'jamaneurology', field: 'Neurology Clinical Challenge' },
        mayTrain: true,
      }),
    ]);
    const json = await write('jama-json', { 'jama_raw.json': JSON.stringify([{ id: 0, ...row }]) });
    expect(casesOf(await readBenchmark(json))).toEqual(casesOf(read));
  });

  it('has the images that its user adds, as a list or separated by semicolons', async () => {
    const files = { 'images/a.jpg': '', 'images/b.jpg': '' };
    const asCsv = await write('jama-csv-images', {
      'jama_raw.csv': csv([{ ...row, images: 'a.jpg; b.jpg' }]),
      ...files,
    });
    const asJson = await write('jama-json-images', {
      'jama_raw.json': JSON.stringify([{ ...row, images: ['a.jpg', 'b.jpg'] }]),
      ...files,
    });
    for (const root of [asCsv, asJson])
      expect((await readBenchmark(root)).cases[0]!.images).toEqual([
        path.join(root, 'images/a.jpg'),
        path.join(root, 'images/b.jpg'),
      ]);
  });

  it('refuses a row whose answer is another option than its letter, or whose fields are missing', async () => {
    const { opb: _opb, ...without } = row;
    const root = await write('jama-bad', {
      'jama_raw.json': JSON.stringify([{ ...row, answer: 'Delirium' }, without, { ...row, answer_idx: 'E' }]),
    });
    expect((await readBenchmark(root)).rejects).toEqual([
      'jama_raw.json, record 1: answer_idx is B, but answer "Delirium" is option A',
      expect.stringMatching(/^jama_raw\.json, record 2: opb: /),
      'jama_raw.json, record 3: answer_idx: is a letter from A to D',
    ]);
  });
});
