import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { Paradigm } from '../../schemas/paradigm.ts';
import type { Guidelines } from '../prompts/guidelines.ts';

/** A folder of guidelines lacks a paradigm, or holds what is none. */
export class GuidelinesError extends Error {
  override readonly name = 'GuidelinesError';
}

/** Reads guidelines from a folder with one text a paradigm, such as `bayesian.md`, and nothing else. */
export const readGuidelines = async (folder: string): Promise<Guidelines> => {
  const refuse: (problem: string) => never = (problem) => {
    throw new GuidelinesError(
      `${folder}: ${problem}; it holds one text for each of ${Paradigm.options.join(', ')}, as .md or .txt`,
    );
  };
  const found = new Map<Paradigm, string>();
  for (const file of await readdir(folder)) {
    const { name, ext } = path.parse(file);
    const { data: paradigm } = Paradigm.safeParse(name);
    if (paradigm === undefined || (ext !== '.md' && ext !== '.txt'))
      refuse(`${file} is the guideline of no paradigm`);
    if (found.has(paradigm)) refuse(`${paradigm} is there twice`);
    const text = (await readFile(path.join(folder, file), 'utf8')).trim();
    if (text === '') refuse(`${file} is empty`);
    found.set(paradigm, text);
  }
  const of = (paradigm: Paradigm): string => found.get(paradigm) ?? refuse(`has no ${paradigm}`);
  return {
    differential: of('differential'),
    intuitive: of('intuitive'),
    analytical: of('analytical'),
    bayesian: of('bayesian'),
  };
};
