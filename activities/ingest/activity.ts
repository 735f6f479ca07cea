import { copyFile, mkdir, readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import sharp from 'sharp';
import { Case } from '../../schemas/case.ts';
import { readBank } from '../clinic/bank.ts';
import { DRAWING_SIDE } from '../clinic/drawing.ts';
import { readBenchmark } from '../shell/benchmark-folder.ts';
import { writeJsonl } from '../shell/jsonl.ts';
import { temporaryFolder } from '../shell/temporary-folder.ts';
import { defineStage, type StageSummary } from '../stage.ts';
import { drawSubset, placeCase, type Reject } from './choose.ts';
import { clinicCases } from './clinic-cases.ts';
import { IngestParams, type ClinicParams } from './params.ts';

type FileParams = Exclude<IngestParams, ClinicParams>;

/** A source from which no case could be taken. The message names the source's format and the first problem. */
export class NoCases extends Error {
  override name = 'NoCases' as const;
}

interface Found {
  readonly case: Case;
  /** Absolute paths of its images. */
  readonly images: readonly string[];
}

/** Cases of a folder of JSONL files, each line a case of this project's schema; images beside the file. */
async function readCaseFiles(folder: string): Promise<{ found: Found[]; rejects: Reject[] }> {
  const found: Found[] = [];
  const rejects: Reject[] = [];
  const seen = new Set<string>();
  const names = (await readdir(folder)).filter((name) => name.endsWith('.jsonl')).sort();
  for (const file of names) {
    const lines = (await readFile(path.join(folder, file), 'utf8')).split(/\r?\n/);
    for (const [i, line] of lines.entries()) {
      if (line.trim() === '') continue;
      const reject = (reason: string) => rejects.push({ place: `${file}, line ${i + 1}`, reason });
      let value: unknown;
      try {
        value = JSON.parse(line);
      } catch {
        reject('not JSON');
        continue;
      }
      const parsed = Case.safeParse(value);
      if (!parsed.success)
        reject(
          parsed.error.issues
            .map((issue) => `${issue.path.join('.') || 'the row'}: ${issue.message}`)
            .join('; '),
        );
      else if (seen.has(parsed.data.id)) reject(`id: ${parsed.data.id} was seen before`);
      else {
        seen.add(parsed.data.id);
        found.push({
          case: parsed.data,
          images: parsed.data.images.map((image) => path.join(folder, image)),
        });
      }
    }
  }
  return { found, rejects };
}

async function readFolder(
  folder: string,
  format: string,
  unpacked: string,
): Promise<{ found: Found[]; rejects: Reject[] }> {
  if (format === 'jsonl') return readCaseFiles(folder);
  const benchmark = await readBenchmark(folder, unpacked);
  if (benchmark.format !== format)
    throw new NoCases(`the source is named ${format}, but its files are in the format ${benchmark.format}`);
  const rejects: Reject[] = benchmark.rejects.map((reason) => ({ place: format, reason }));
  const found: Found[] = [];
  for (const { case: one, images } of benchmark.cases)
    if (images === null)
      rejects.push({ place: one.id, reason: `images: ${one.images.join(', ')} not all there` });
    else found.push({ case: one, images });
  return { found, rejects };
}

/** A path inside an artifact for the image `i` of a case, whatever its id holds. */
const imageName = (id: string, i: number, file: string): string =>
  `images/${id.replaceAll(/[^A-Za-z0-9._-]+/g, '_')}-${i}${path.extname(file).toLowerCase()}`;

async function ingestFiles(from: string, to: string, params: FileParams): Promise<StageSummary> {
  await using unpacked = await temporaryFolder(path.dirname(to));
  const { found, rejects } = await readFolder(from, params.format, unpacked.path);
  const placed: Found[] = [];
  for (const one of found) {
    const outcome = placeCase(one.case, params.split);
    if ('reason' in outcome) rejects.push(outcome);
    else placed.push({ ...one, case: outcome });
  }
  const chosen = drawSubset(placed, params.limit, params.seed);
  if (chosen.length === 0)
    throw new NoCases(
      `no case could be taken from the ${params.format} source; ${rejects.length} records were refused` +
        (rejects[0] ? `, the first: ${rejects[0].place}: ${rejects[0].reason}` : ''),
    );
  const rows: Case[] = [];
  for (const { case: one, images } of chosen) {
    const named = images.map((file, i) => imageName(one.id, i, file));
    for (const [i, file] of images.entries()) {
      await mkdir(path.join(to, 'images'), { recursive: true });
      await copyFile(file, path.join(to, named[i]!));
    }
    rows.push({ ...one, images: named });
  }
  await writeJsonl(path.join(to, 'cases.jsonl'), rows);
  await writeJsonl(path.join(to, 'rejects.jsonl'), rejects);
  return { cases: rows.length, rejected: rejects.length };
}

async function ingestClinic(from: string, to: string, params: ClinicParams): Promise<StageSummary> {
  const bank = readBank(JSON.parse(await readFile(path.join(from, 'bank.json'), 'utf8')));
  const rows: Case[] = [];
  await mkdir(path.join(to, 'images'), { recursive: true });
  let images = 0;
  for (const { row, drawing } of clinicCases(bank, params)) {
    rows.push(row);
    if (drawing === null) continue;
    images++;
    await sharp(drawing, { raw: { width: DRAWING_SIDE, height: DRAWING_SIDE, channels: 3 } })
      .png({ compressionLevel: 9, adaptiveFiltering: false })
      .toFile(path.join(to, row.images[0]!));
  }
  await writeJsonl(path.join(to, 'cases.jsonl'), rows);
  return { cases: rows.length, images, rejected: 0 };
}

/** Cases from a source: drawn from the clinic's bank, or read from files as their authors ship them. */
export const ingestStage = defineStage({
  name: 'ingest',
  specVersion: 1,
  params: IngestParams,
  outputs: { cases: 'cases' },
  determinism: 'bitwise',
  resources: 'cpu',
  code: [
    'activities/ingest/clinic-cases.ts',
    'activities/ingest/choose.ts',
    'activities/benchmarks/formats.ts',
  ],
  run: (params, io) =>
    params.format === 'clinic'
      ? ingestClinic(io.inputs['source']!, io.outputs['cases']!, params)
      : ingestFiles(io.inputs['source']!, io.outputs['cases']!, params),
});
