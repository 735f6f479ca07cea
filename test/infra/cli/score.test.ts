import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Command } from 'commander';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { register } from '../../../infra/cli/score.ts';

/** What the command prints on stdout. */
const score = async (...args: string[]): Promise<string> => {
  let text = '';
  vi.spyOn(process.stdout, 'write').mockImplementation((part) => {
    text += String(part);
    return true;
  });
  vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  const program = new Command().exitOverride();
  register(program);
  program.commands.forEach((command) => command.exitOverride());
  await program.parseAsync(['score', ...args], { from: 'user' });
  return text;
};

describe('the score command', () => {
  let folder: string;
  let file: string;
  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'score-'));
    file = path.join(folder, 'p.jsonl');
    const rows = [
      { id: 7, response: 'The answer is B.', options: ['gout', 'flu'], gold: 'B', task: 'Diagnosis' },
      { response: '<answer>A</answer>', options: { A: 'gout', B: 'flu' }, gold: 'flu', task: 'Diagnosis' },
      {
        caseId: 'c',
        paradigm: 'bayesian',
        response: 'B',
        options: [
          { letter: 'A', text: 'gout' },
          { letter: 'B', text: 'flu' },
        ],
        gold: 'B',
        finishReason: 'length',
        groups: { task: 'Treatment' },
      },
    ];
    await writeFile(file, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  });
  afterAll(() => rm(folder, { recursive: true }));
  afterEach(() => vi.restoreAllMocks());

  it('scores row by row and in total, whatever the form of the options', async () => {
    const document = JSON.parse(
      await score('--profile', 'robust', '--predictions', file, '--json', '--group', 'task'),
    );
    expect(document.rows).toEqual([
      { id: '7', letter: 'B', method: 'phrase/letter', span: 'B', correct: true, truncated: false },
      { id: '1', letter: 'A', method: 'answer-tag/letter', span: 'A', correct: false, truncated: false },
      { id: 'c/bayesian', letter: null, method: 'truncated', span: null, correct: false, truncated: true },
    ]);
    expect(document.overall).toMatchObject({ answers: 3, right: 1, unparsed: 1, truncated: 1 });
    expect(document.groups.task.Diagnosis).toMatchObject({ answers: 2, right: 1 });
    expect(document.groups.task.Treatment).toMatchObject({ answers: 1, right: 0 });
    expect(document.macro.task).toBe(0.25);
  });

  it('reads a truncated response where upstream does', async () => {
    const document = JSON.parse(await score('--profile', 'vlmevalkit', '--predictions', file, '--json'));
    expect(document.rows[2]).toMatchObject({ letter: 'B', correct: true });
  });

  it('prints people a line', async () => {
    expect(await score('--profile', 'strict-tags', '--predictions', file)).toBe(
      'strict-tags: 0 of 3 right, .000 (.000-.561), 2 unparsed, 1 truncated\n',
    );
  });

  it('refuses a profile or a field that is not there, and names the line of a bad row', async () => {
    await expect(score('--profile', 'best', '--predictions', file)).rejects.toThrow(
      /Allowed choices are strict-tags/,
    );
    await expect(score('--profile', 'robust', '--predictions', file, '--group', 'organ')).rejects.toThrow(
      /"organ"/,
    );
    const bad = path.join(folder, 'bad.jsonl');
    await writeFile(bad, '{"response":"A","options":["x","y"],"gold":"A"}\n{"response":"A","gold":"A"}\n');
    await expect(score('--profile', 'robust', '--predictions', bad)).rejects.toThrow(/bad.jsonl:2: options/);
  });
});
