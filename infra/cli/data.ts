import { dirname, resolve } from 'node:path';
import { InvalidArgumentError, type Command } from 'commander';
import { z } from 'zod';
import { gridOf } from '../../activities/nn/images/patches.ts';
import { decodeImage } from '../../activities/nn/runtime/decode-image.ts';
import { openInferenceModel } from '../../activities/nn/runtime/inference-model.ts';
import type { InferenceModel } from '../../activities/nn/runtime/inference-model.ts';
import { inspectRow, summarizeRows } from '../../activities/nn/training/inspect-rows.ts';
import type {
  InspectedImage,
  InspectedRow,
  InspectedToken,
  RowsSummary,
} from '../../activities/nn/training/inspect-rows.ts';
import { BadRow, readJsonl } from '../../activities/shell/jsonl.ts';
import { Case } from '../../schemas/case.ts';
import { SftRow } from '../../schemas/message.ts';
import { SftParams } from '../../schemas/sft-params.ts';
import { Trace } from '../../schemas/trace.ts';
import { artifactFolder } from './artifact-folder.ts';

interface InspectOptions {
  readonly row?: number;
  readonly model?: string;
  readonly maxTokens: number;
  readonly json?: boolean;
}

/** Files that are known, by a field that only their rows have. */
const kinds = [
  { name: 'training', field: 'messages', schema: SftRow },
  { name: 'cases', field: 'question', schema: Case },
  { name: 'traces', field: 'response', schema: Trace },
] as const;

const printed = (document: unknown): void => void process.stdout.write(`${JSON.stringify(document)}\n`);
const line = (text: string): void => void process.stdout.write(`${text}\n`);

/** The kind of a file, by its first row. */
async function kindOf(file: string): Promise<(typeof kinds)[number]> {
  for await (const row of readJsonl(file, z.looseObject({}))) {
    const kind = kinds.find(({ field }) => field in row);
    if (kind !== undefined) return kind;
    const fields = kinds.map(({ name, field }) => `"${field}" (${name})`).join(', ');
    throw new BadRow(file, 1, `a row with none of the fields ${fields}`);
  }
  throw new BadRow(file, 1, 'there is no row');
}

/** Row `number`, from 1, as its schema has it. */
async function rowAt<T>(file: string, schema: z.ZodType<T>, number: number): Promise<T> {
  let rows = 0;
  for await (const row of readJsonl(file, schema)) if (++rows === number) return row;
  throw new Error(`${file}: there is no row ${number}, the last is ${rows}`);
}

/** The images of a row, decoded for their sizes. A path is relative to the file. */
function imageReader(file: string, model: InferenceModel): (path: string) => Promise<InspectedImage> {
  const known = new Map<string, InspectedImage>();
  return async (path) => {
    const found = known.get(path);
    if (found !== undefined) return found;
    const { width, height } = await decodeImage(resolve(dirname(resolve(file)), path));
    const image = { path, width, height, grid: gridOf({ width, height }, model.processor.images) };
    known.set(path, image);
    return image;
  };
}

/** Encodes rows as training does; errors name the file and the row. */
function inspector(
  file: string,
  model: InferenceModel,
): (row: SftRow, number: number) => Promise<InspectedRow> {
  const read = imageReader(file, model);
  return async (row, number) => {
    try {
      const images = [];
      for (const path of row.images) images.push(await read(path));
      const { processor, checkpoint } = model;
      return inspectRow(processor, checkpoint.config, row, row.id ?? `${number}`, images);
    } catch (error) {
      throw new Error(`${file}, row ${number}: ${(error as Error).message}`, { cause: error });
    }
  };
}

/** Tokens with equal neighbours as one, so that an image takes a line. */
function runsOf(tokens: readonly InspectedToken[]): { token: InspectedToken; at: number; count: number }[] {
  const runs: { token: InspectedToken; at: number; count: number }[] = [];
  for (const [at, token] of tokens.entries()) {
    const last = runs.at(-1);
    if (last?.token.id === token.id && last.token.label === token.label) last.count++;
    else runs.push({ token, at, count: 1 });
  }
  return runs;
}

const coloured = (): boolean => process.stdout.isTTY && process.env['NO_COLOR'] === undefined;

function printTokens({ id, tokens, labels, images }: InspectedRow): void {
  line(`row ${id}: ${tokens.length} tokens, ${labels} of them labels, ${images.length} images`);
  for (const { path, width, height, grid, tokens: count } of images)
    line(`  ${path}: ${width} × ${height} pixels, ${grid.h} × ${grid.w} patches, ${count} tokens`);
  line('Labels are in [brackets].');
  for (const { token, at, count } of runsOf(tokens)) {
    const text = JSON.stringify(token.text) + (count > 1 ? ` × ${count}` : '');
    const shown = token.label ? `[${text}]` : ` ${text}`;
    line(
      `${String(at).padStart(6)} ${String(token.id).padStart(7)}  ${token.label && coloured() ? `\u001B[32m${shown}\u001B[0m` : shown}`,
    );
  }
}

function printSummary(file: string, maxTokens: number, summary: RowsSummary): void {
  const { rows, length, tokens, labelShare, images, imageTokens, overlong } = summary;
  line(
    `${file}: ${rows} rows, ${tokens} tokens, ${(100 * labelShare).toFixed(1)} % of them labels; ` +
      `${images} images of ${imageTokens} tokens; tokens of a row: ${length.min} at least, ` +
      `${length.p50} at 50 %, ${length.p90} at 90 %, ${length.p99} at 99 %, ${length.max} at most; ` +
      `${overlong} rows over ${maxTokens}`,
  );
}

/** One row as it stands in the file. */
async function showRow(file: string, number: number, json: boolean): Promise<void> {
  const kind = await kindOf(file);
  const row = await rowAt<unknown>(file, kind.schema, number);
  if (json) printed({ file, kind: kind.name, row: number, value: row });
  else line(JSON.stringify(row, null, 2));
}

/** All rows checked against their schema and counted. */
async function countRows(file: string, json: boolean): Promise<void> {
  const kind = await kindOf(file);
  let [rows, images] = [0, 0];
  for await (const row of readJsonl<object>(file, kind.schema)) {
    rows++;
    if ('images' in row && Array.isArray(row.images)) images += row.images.length;
  }
  if (json) printed({ file, kind: kind.name, rows, images });
  else line(`${file}: ${rows} rows of ${kind.name}, ${images} images`);
}

async function inspectTokens(file: string, folder: string, options: InspectOptions): Promise<void> {
  const kind = await kindOf(file);
  if (kind.name !== 'training')
    throw new Error(
      `${file} holds ${kind.name}: --model shows the tokens of training rows { messages, images }`,
    );
  await using opened = await artifactFolder(folder);
  await using model = await openInferenceModel({ model: opened.path });
  const inspect = inspector(file, model);
  if (options.row !== undefined) {
    const row = await inspect(await rowAt(file, SftRow, options.row), options.row);
    if (options.json === true) printed({ file, kind: kind.name, row: options.row, ...row });
    else printTokens(row);
    return;
  }
  const sizes = [];
  for await (const row of readJsonl(file, SftRow)) {
    const { tokens, labels, images } = await inspect(row, sizes.length + 1);
    const imageTokens = images.reduce((sum, image) => sum + image.tokens, 0);
    sizes.push({ tokens: tokens.length, labels, images: images.length, imageTokens });
  }
  const summary = summarizeRows(sizes, options.maxTokens);
  if (options.json === true) printed({ file, kind: kind.name, maxTokens: options.maxTokens, ...summary });
  else printSummary(file, options.maxTokens, summary);
}

const inspectFile = (file: string, options: InspectOptions): Promise<void> => {
  const json = options.json === true;
  if (options.model !== undefined) return inspectTokens(file, options.model, options);
  return options.row === undefined ? countRows(file, json) : showRow(file, options.row, json);
};

const count = (text: string): number => {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw new InvalidArgumentError('It is a whole number from 1.');
};

/** `data inspect`. */
export const register = (program: Command): void => {
  program
    .command('data')
    .description('look at rows of data')
    .command('inspect')
    .description('check a file of training rows, cases or traces, and show one row or what there is in total')
    .argument('<file>', 'JSONL file; image paths are relative to it')
    .option('--row <n>', 'show this row, from 1', count)
    .option(
      '--model <dir>',
      'model folder, digest or ref: show tokens, labels and images as it is trained on them',
    )
    .option('--max-tokens <n>', 'count longer rows', count, SftParams.parse({}).maxTokens)
    .option('--json', 'print one JSON document')
    .action((file: string, options: InspectOptions) => inspectFile(file, options));
};
