import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Command } from 'commander';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { register } from '../../../infra/cli/data.ts';
import { hasShared, shared } from '../../_shared.ts';

/** What the command prints on stdout. */
const inspect = async (...args: string[]): Promise<string> => {
  let text = '';
  vi.spyOn(process.stdout, 'write').mockImplementation((part) => {
    text += String(part);
    return true;
  });
  const program = new Command().exitOverride();
  register(program);
  await program.parseAsync(['data', 'inspect', ...args], { from: 'user' });
  return text;
};

const rows = [
  {
    messages: [
      { role: 'user', content: [{ type: 'image' }, { type: 'text', text: 'What is it?' }] },
      { role: 'assistant', content: '<answer>B</answer>' },
    ],
    images: ['image-0.png'],
  },
  {
    id: 'second',
    messages: [
      { role: 'user', content: 'Why?' },
      { role: 'assistant', content: 'Because.' },
    ],
  },
];
const one = {
  version: 1,
  id: 'case-1',
  question: 'Which?',
  options: [
    { letter: 'A', text: 'gout' },
    { letter: 'B', text: 'flu' },
  ],
  gold: 'B',
  source: 'here',
  licence: 'none',
  split: 'train',
};

let folder: string;
const write = async (name: string, lines: readonly unknown[]): Promise<string> => {
  const file = path.join(folder, name);
  await writeFile(file, lines.map((row) => `${JSON.stringify(row)}\n`).join(''));
  return file;
};
beforeAll(async () => void (folder = await mkdtemp(path.join(tmpdir(), 'data-'))));
afterAll(() => rm(folder, { recursive: true }));
afterEach(() => vi.restoreAllMocks());

describe('data inspect', () => {
  it('shows a row by the schema of its file, and counts all', async () => {
    const cases = await write('cases.jsonl', [one, { ...one, id: 'case-2', images: ['a.png', 'b.png'] }]);
    expect(JSON.parse(await inspect(cases, '--row', '1', '--json'))).toMatchObject({
      kind: 'cases',
      row: 1,
      value: { id: 'case-1', images: [], mayTrain: true },
    });
    expect(await inspect(cases)).toBe(`${cases}: 2 rows of cases, 2 images\n`);
  });

  it('names file and row of what is wrong', async () => {
    const cases = await write('bad.jsonl', [one, { ...one, gold: 'C' }]);
    await expect(inspect(cases)).rejects.toThrow(`${cases}:2: gold: gold is not the letter of an option`);
    await expect(inspect(cases, '--row', '9')).rejects.toThrow(`${cases}:2`);
    const other = await write('other.jsonl', [{ text: 'hello' }]);
    await expect(inspect(other)).rejects.toThrow(`${other}:1: a row with none of the fields "messages"`);
    const short = await write('short.jsonl', [one]);
    await expect(inspect(short, '--row', '2')).rejects.toThrow(`${short}: there is no row 2, the last is 1`);
    await expect(inspect(short, '--model', folder)).rejects.toThrow(
      '--model shows the tokens of training rows',
    );
  });
});

describe.skipIf(!hasShared)('data inspect with a model', () => {
  const model = shared('golden/qwen2_vl');
  let file: string;
  beforeAll(async () => {
    await copyFile(shared('golden/image-0.png'), path.join(folder, 'image-0.png'));
    file = await write('train.jsonl', rows);
  });

  it('shows a row’s tokens, which of them are labels, and its images', async () => {
    const row = JSON.parse(await inspect(file, '--model', model, '--row', '1', '--json'));
    expect(row.images).toEqual([
      { path: 'image-0.png', width: 84, height: 56, grid: { t: 1, h: 4, w: 6 }, tokens: 6 },
    ]);
    const text = (label: boolean) =>
      row.tokens
        .filter((token: { label: boolean }) => token.label === label)
        .map((token: { text: string }) => token.text)
        .join('');
    expect(text(true)).toBe('<answer>B</answer><|im_end|>\n');
    expect(text(false)).toContain(
      `<|vision_start|>${'<|image_pad|>'.repeat(6)}<|vision_end|>What is it?<|im_end|>`,
    );
    expect(row.labels).toBe(row.tokens.filter((token: { label: boolean }) => token.label).length);
  });

  it('brackets labels and puts an image on one line for people', async () => {
    const lines = (await inspect(file, '--model', model, '--row', '1')).split('\n');
    expect(lines[1]).toBe('  image-0.png: 84 × 56 pixels, 4 × 6 patches, 6 tokens');
    expect(lines.filter((line) => line.includes('"<|image_pad|>" × 6'))).toHaveLength(1);
    expect(lines.some((line) => line.endsWith('["B"]'))).toBe(true);
    expect(lines.some((line) => / {2}"<\|im_start\|>"$/.test(line))).toBe(true);
  });

  it('sums up the file, and counts rows that are over a limit', async () => {
    const each = [];
    for (const row of ['1', '2'])
      each.push(JSON.parse(await inspect(file, '--model', model, '--row', row, '--json')));
    const [long, short] = each.map(({ tokens }) => tokens.length as number) as [number, number];
    const limit = String(short);
    expect(JSON.parse(await inspect(file, '--model', model, '--max-tokens', limit, '--json'))).toEqual({
      file,
      kind: 'training',
      maxTokens: short,
      rows: 2,
      length: { min: short, p50: short, p90: long, p99: long, max: long },
      tokens: long + short,
      labelShare: (each[0].labels + each[1].labels) / (long + short),
      images: 1,
      imageTokens: 6,
      overlong: 1,
    });
  });

  it('names file and row of an image that is not there', async () => {
    const missing = await write('missing.jsonl', [rows[1], { ...rows[0], images: ['none.png'] }]);
    await expect(inspect(missing, '--model', model)).rejects.toThrow(
      `${missing}, row 2: ${path.join(folder, 'none.png')}: cannot decode the image`,
    );
  });
});
