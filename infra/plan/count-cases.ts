import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { readBenchmark } from '../../activities/shell/benchmark-folder.ts';
import type { Source } from '../../schemas/config/sources.ts';
import type { Quantity } from './quantity.ts';

/** Rows of the public files, for sources that are not at hand. */
const published: Readonly<Partial<Record<Source['format'], number>>> = {
  // MM/test.jsonl of TsinghuaC3I/MedXpertQA.
  medxpertqa: 2000,
  // test_2.csv of xmcmic/PMC-VQA.
  'pmc-vqa': 33_430,
  // The open-access part.
  omnimedvqa: 88_996,
  // VAL.
  'gmai-mmbench': 4550,
  // US/train.jsonl.
  medqa: 10_178,
  jama: 1524,
};

/** Cases of a source: as the configuration says, else as its files have them, else as published; undefined where unknown. */
export async function countCases(source: Source): Promise<Quantity | undefined> {
  if (source.format === 'clinic') return { value: 4 * source.casesPerSpecialty, from: 'config' };
  const found = await inFiles(source);
  if (found !== undefined)
    return { value: Math.min(found, source.limit ?? Number.POSITIVE_INFINITY), from: 'counted' };
  if (source.limit !== undefined) return { value: source.limit, from: 'config' };
  const known = published[source.format];
  return known === undefined ? undefined : { value: known, from: 'assumed' };
}

async function inFiles({ format, path: folder }: Source): Promise<number | undefined> {
  if (!existsSync(folder)) return undefined;
  if (format !== 'jsonl') return (await readBenchmark(folder)).cases.length;
  let rows = 0;
  for (const name of await readdir(folder)) {
    if (!name.endsWith('.jsonl')) continue;
    const lines = (await readFile(path.join(folder, name), 'utf8')).split(/\r?\n/);
    rows += lines.filter((line) => line.trim() !== '').length;
  }
  return rows;
}
