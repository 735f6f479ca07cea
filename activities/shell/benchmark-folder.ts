/** Reads a benchmark from the folder that its authors ship, or from an artifact of cases. */
import { createReadStream } from 'node:fs';
import { access, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { BadRecord, type BenchmarkFormat, type Place } from '../benchmarks/format.ts';
import { AmbiguousBenchmark, chooseFiles, formatNames, formatOf } from '../benchmarks/formats.ts';
import type { Case } from '../../schemas/case.ts';
import { readDelimited } from './delimited.ts';

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
    if (entry.isDirectory() && !/^(images(_2)?|figures|\..*|node_modules)$/i.test(entry.name))
      found.push(...(await dataFiles(folder, name)));
    if (entry.isFile() && /\.(jsonl?|csv|tsv)$/.test(entry.name)) found.push(name);
  }
  return found;
}

/** Records of a file: the lines of a JSONL file, the elements of a JSON array, the rows of a table under its first. */
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
  if (/\.[ct]sv$/.test(file)) {
    for await (const record of readDelimited(full)) yield { record, place: { file, index: index++ } };
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
const imageRoots = (folder: string, file: string, further: readonly string[] = []): string[] => {
  const beside = path.dirname(path.resolve(folder, file));
  const roots = [
    beside,
    path.join(beside, 'images'),
    path.join(beside, '../images'),
    ...further.map((name) => path.join(beside, name)),
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

/** Writes a record's images into a folder, under the names that its case has for them. */
async function unpack(
  images: readonly { readonly name: string; readonly base64: string }[],
  folder: string,
  place: Place,
): Promise<void> {
  for (const { name, base64 } of images) {
    if (path.basename(name) !== name)
      throw new BadRecord(place, `its image's name ${JSON.stringify(name)} is no name of a file`);
    const bytes = Buffer.from(base64, 'base64');
    if (bytes.length === 0) throw new BadRecord(place, 'image: is neither base64 nor the index of a row');
    await mkdir(folder, { recursive: true });
    await writeFile(path.join(folder, name), bytes);
  }
}

/**
 * All cases of a benchmark's folder, or of one data file, in the order of the files. The format is told by what the files
 * hold. Images that the files themselves hold are written into `unpacked`; without it they count as absent.
 *
 * Throws {@link NoBenchmark}, {@link AmbiguousBenchmark} or `BadTable`.
 */
export async function readBenchmark(from: string, unpacked?: string): Promise<Benchmark> {
  const alone = (await stat(from)).isFile();
  const folder = alone ? path.dirname(from) : from;
  const files = alone ? [path.basename(from)] : await dataFiles(folder);
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
        ? 'no JSON, JSONL, CSV or TSV file is there'
        : `none of ${files.slice(0, 5).join(', ')} fits a format`,
    );

  const read: { one: Case; roots: readonly string[] }[] = [];
  const rejects: string[] = [];
  const seen = new Set<string>();
  for (const file of chooseFiles(format, fitting, folder)) {
    const roots = imageRoots(folder, file, format.imageFolders);
    if (unpacked !== undefined && format.embedded) roots.unshift(unpacked);
    for await (const { record, place } of records(folder, file)) {
      try {
        const one = format.read(record, place);
        if (seen.has(one.id)) throw new BadRecord(place, `its id ${one.id} was seen before`);
        if (unpacked !== undefined && format.embedded)
          await unpack(format.embedded(record, place), unpacked, place);
        seen.add(one.id);
        read.push({ one, roots });
      } catch (error) {
        if (!(error instanceof BadRecord)) throw error;
        rejects.push(error.message);
      }
    }
  }
  // A row may name an image that a later one holds.
  const cases: BenchmarkCase[] = [];
  for (const { one, roots } of read) {
    const images: string[] = [];
    for (const image of one.images) {
      const found = await findImage(roots, image);
      if (found !== undefined) images.push(found);
    }
    cases.push({ case: one, images: images.length === one.images.length ? images : null });
  }
  return { format: format.name, cases, rejects };
}
