import { mkdtemp, rm, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { GuidelinesError, readGuidelines } from '../../../activities/shell/guidelines-folder.ts';
import { Paradigm } from '../../../schemas/paradigm.ts';

describe('a folder of guidelines', () => {
  let folder: string;
  const put = (name: string, text: string): Promise<void> => writeFile(path.join(folder, name), text);
  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'guidelines-'));
    for (const paradigm of Paradigm.options) await put(`${paradigm}.md`, `Reason the ${paradigm} way.\n`);
  });
  afterEach(() => rm(folder, { recursive: true }));

  it('gives one text a paradigm, without the white space around it', async () => {
    await unlink(path.join(folder, 'bayesian.md'));
    await put('bayesian.txt', '\nUpdate,\nthen update.\n');
    expect(await readGuidelines(folder)).toEqual({
      differential: 'Reason the differential way.',
      intuitive: 'Reason the intuitive way.',
      analytical: 'Reason the analytical way.',
      bayesian: 'Update,\nthen update.',
    });
  });

  it.each([
    [
      'a file of no paradigm',
      'notes.md',
      'x',
      /notes\.md is the guideline of no paradigm; it holds one text/,
    ],
    ['another kind of file', 'bayesian.pdf', 'x', /bayesian\.pdf is the guideline of no paradigm/],
    ['a paradigm twice', 'bayesian.txt', 'x', /bayesian is there twice/],
    ['an empty text', 'analytical.md', ' \n', /analytical\.md is empty/],
  ])('is refused with %s', async (_, name, text, message) => {
    await put(name, text);
    await expect(readGuidelines(folder)).rejects.toThrow(GuidelinesError);
    await expect(readGuidelines(folder)).rejects.toThrow(message);
  });

  it('is refused without one of the paradigms', async () => {
    await unlink(path.join(folder, 'intuitive.md'));
    await expect(readGuidelines(folder)).rejects.toThrow(`${folder}: has no intuitive`);
  });
});
