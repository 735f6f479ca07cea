import { casesFile } from './cases-file.ts';
import type { BenchmarkFormat } from './format.ts';
import { gmaiMmbench } from './gmai-mmbench.ts';
import { jama } from './jama.ts';
import { medqa } from './medqa.ts';
import { medxpertqa } from './medxpertqa.ts';
import { omnimedvqa } from './omnimedvqa.ts';
import { pmcVqa } from './pmc-vqa.ts';

/** The formats that benchmarks are read in, tried in this order. */
const FORMATS: readonly BenchmarkFormat[] = [
  casesFile,
  medxpertqa,
  omnimedvqa,
  medqa,
  pmcVqa,
  gmaiMmbench,
  jama,
];

/** The format of a file by its first record; undefined where none fits. */
export const formatOf = (record: unknown): BenchmarkFormat | undefined =>
  typeof record === 'object' && record !== null
    ? FORMATS.find((format) => format.fits(record as Record<string, unknown>))
    : undefined;

/** Names of all formats, for messages. */
export const formatNames = (): string => FORMATS.map((format) => format.name).join(', ');

/** A folder that holds several benchmarks of one format, or several formats. */
export class AmbiguousBenchmark extends Error {
  override readonly name = 'AmbiguousBenchmark';
  constructor(folder: string, found: readonly string[]) {
    super(`${folder} holds more than one benchmark: ${found.join(', ')}; name the folder of one of them`);
  }
}

const folderOf = (file: string): string => file.split('/').slice(0, -1).join('/') || '.';

/** The files of a benchmark to read: what the format chooses, else its test files, which must be in one folder. */
export function chooseFiles(
  format: BenchmarkFormat,
  files: readonly string[],
  folder: string,
): readonly string[] {
  if (format.choose) return format.choose(files);
  const tests = files.filter((file) => /(^|[_.-])test[_.-]/.test(file.split('/').at(-1)!));
  const chosen = tests.length > 0 ? tests : files;
  if (chosen.length > 1)
    throw new AmbiguousBenchmark(
      folder,
      new Set(chosen.map(folderOf)).size > 1 ? chosen.map(folderOf) : chosen,
    );
  return chosen;
}
