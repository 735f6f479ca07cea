/** Reads a benchmark from the folder that its authors ship, or from an artifact of cases. */
import { createReadStream } from 'node:fs';
import { access, readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { BadRecord, type BenchmarkFormat, type Place } from '../benchmarks/format.ts';
import { AmbiguousBenchmark, chooseFiles, formatNames, formatOf } from '../benchmarks/formats.ts';
import type { Case } from '../../schemas/case.ts';

/** A case with its images' files, in order. */
export interface BenchmarkCase {
  readonly case: Case;
  /** Absolute paths; null where an image is not there. */
  readonly images: readonly string[] | null;
}

export interface Benchmark {
  readonly format: string;
  readonly cases: readonly BenchmarkCase[];
  /** Records that are no cases, each with its place and reason. */
  readonly rejects: readonly string[];
}

/** A folder holds no benchmark that could be read. */
export class NoBenchmark extends Error {
  override readonly name = 'NoBenchmark';
  constructor(folder: string, found: string) {
    super(`${folder} holds no benchmark: ${found}; formats read are ${formatNames()}`);
  }
}

/** Data files under a folder, as paths with `/`, in order. Folders of images are not looked into. */
async function dataFiles(folder: string, inside = ''): Promise<string[]> {
  const entries = await readdir(path.join(folder, inside), { withFileTypes: true });
  const found: string[] = [];
  for (const entry of entries.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    const name = inside === '' ? entry.name : `${inside}/${entry.name}`;
    if (entry.isDirectory() && !/^(images|\..*|node_modules)$/i.test(entry.name))
      found.push(...(await dataFiles(folder, name)));
    if (entry.isFile() && /\.jsonl?$/.test(entry.name)) found.push(name);
  }
  return found;
}

/** Records of a file: the lines of a JSONL file, the elements of a JSON array. */
async function* records(folder: string, file: string): AsyncGenerator<{ record: unknown; place: Place }> {
  const full = path.join(folder, file);
  let index = 0;
  const parse = (text: string): unknown => {
    try {
      return JSON.parse(text);
    } catch {
      throw new BadRecord({ file, index }, 'not JSON');
    }
  };
  if (file.endsWith('.json')) {
    const all = parse(await readFile(full, 'utf8'));
    for (const record of Array.isArray(all) ? all : []) yield { record, place: { file, index: index++ } };
    return;
  }
  for await (const line of createInterface({ input: createReadStream(full), crlfDelay: Infinity }))
    if (line.trim() !== '') yield { record: parse(line), place: { file, index: index++ } };
}

async function formatOfFile(folder: string, file: string): Promise<BenchmarkFormat | undefined> {
  for await (const { record } of records(folder, file)) return formatOf(record);
  return undefined;
}

/** Where images of a data file are looked for: beside it, in `images/` there or one folder up, and from the root. */
const imageRoots = (folder: string, file: string): string[] => {
  const beside = path.dirname(path.resolve(folder, file));
  const roots = [
    beside,
    path.join(beside, 'images'),
    path.join(beside, '../images'),
    folder,
    path.join(folder, 'images'),
  ];
  return [...new Set(roots.map((root) => path.resolve(root)))];
};

/** The first of the places where an image file is. */
async function findImage(roots: readonly string[], image: string): Promise<string | undefined> {
  for (const root of roots) {
    const file = path.resolve(root, image);
    const there = await access(file).then(
      () => true,
      () => false,
    );
    if (there) return file;
  }
  return undefined;
}

/** All cases of a benchmark, in the order of its files. The format is told by what the files hold. */
export async function readBenchmark(folder: string): Promise<Benchmark> {
  const files = await dataFiles(folder);
  const byFormat = new Map<BenchmarkFormat, string[]>();
  for (const file of files) {
    const format = await formatOfFile(folder, file);
    if (format) byFormat.set(format, [...(byFormat.get(format) ?? []), file]);
  }
  if (byFormat.size > 1)
    throw new AmbiguousBenchmark(
      folder,
      [...byFormat.keys()].map((format) => format.name),
    );
  const [format, fitting] = [...byFormat][0] ?? [];
  if (format === undefined || fitting === undefined)
    throw new NoBenchmark(
      folder,
      files.length === 0
        ? 'no JSON or JSONL file is there'
        : `none of ${files.slice(0, 5).join(', ')} fits a format`,
    );

  const cases: BenchmarkCase[] = [];
  const rejects: string[] = [];
  const seen = new Set<string>();
  for (const file of chooseFiles(format, fitting, folder)) {
    const roots = imageRoots(folder, file);
    for await (const { record, place } of records(folder, file)) {
      try {
        const one = format.read(record, place);
        if (seen.has(one.id)) throw new BadRecord(place, `its id ${one.id} was seen before`);
        seen.add(one.id);
        const images: string[] = [];
        for (const image of one.images) {
          const found = await findImage(roots, image);
          if (found !== undefined) images.push(found);
        }
        cases.push({ case: one, images: images.length === one.images.length ? images : null });
      } catch (error) {
        if (!(error instanceof BadRecord)) throw error;
        rejects.push(error.message);
      }
    }
  }
  return { format: format.name, cases, rejects };
}
