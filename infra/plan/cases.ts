/** What is known of a source's cases before they are ingested: how many, how long, with how many images. */
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { drawSubset } from '../../activities/ingest/choose.ts';
import type { Processor } from '../../activities/nn/checkpoint/processor.ts';
import { gridOf } from '../../activities/nn/images/patches.ts';
import type { ModelConfig } from '../../activities/nn/models/config.ts';
import { embeddingsOf } from '../../activities/nn/models/position-ids.ts';
import { decodeImage } from '../../activities/nn/runtime/decode-image.ts';
import { casePrompt } from '../../activities/prompts/case-prompt.ts';
import { readBenchmark, type BenchmarkCase } from '../../activities/shell/benchmark-folder.ts';
import { readRows } from '../../activities/shell/jsonl.ts';
import { Case } from '../../schemas/case.ts';
import type { Base } from '../../schemas/config/base.ts';
import type { Source } from '../../schemas/config/sources.ts';
import type { Given } from './assumptions.ts';
import { combine } from './quantity.ts';
import type { Quantity } from './quantity.ts';
import { typicalCases } from './typical-cases.ts';

export interface PlannedCases {
  readonly count: Quantity | undefined;
  /** Tokens of a question as a model is asked it, without images and guideline. */
  readonly question: Quantity;
  /** Images of a case. */
  readonly images: Quantity;
  /** Tokens of a case's images: patches as they are merged, and the two around each image. */
  readonly imageTokens: Quantity;
}

/** What a model makes of questions and images. */
export interface Reader {
  readonly vision: ModelConfig['vision'];
  readonly base: Pick<Base, 'minPixels' | 'maxPixels'>;
  /** Counts the tokens of questions that are at hand; without one they are assumed. */
  readonly processor: Processor | undefined;
}

/** Cases and images that are counted: enough for a mean, few enough to wait for. */
const [COUNTED_CASES, COUNTED_IMAGES] = [2000, 50];

/** Tokens that the chat template puts before and after an image. */
const AROUND_IMAGE = 2;

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

/** Tokens of an image of this size. */
export const imageTokensOf = (
  { vision, base }: Pick<Reader, 'vision' | 'base'>,
  size: { readonly width: number; readonly height: number },
): number => embeddingsOf(gridOf(size, { ...vision, ...base }), vision.mergeSize) + AROUND_IMAGE;

async function casesAtHand(source: Source): Promise<readonly BenchmarkCase[] | undefined> {
  if (source.format === 'clinic' || !existsSync(source.path)) return undefined;
  if (source.format !== 'jsonl') return (await readBenchmark(source.path)).cases;
  const found: BenchmarkCase[] = [];
  for (const name of await readdir(source.path)) {
    if (!name.endsWith('.jsonl')) continue;
    for (const one of await readRows(path.join(source.path, name), Case)) {
      const images = one.images.map((image) => path.join(source.path, image));
      found.push({ case: one, images: images.every((image) => existsSync(image)) ? images : null });
    }
  }
  return found;
}

function countOf(source: Source, found: readonly BenchmarkCase[] | undefined): Quantity | undefined {
  if (source.format === 'clinic') return { value: 4 * source.casesPerSpecialty, from: 'config' };
  const limit = source.limit ?? Number.POSITIVE_INFINITY;
  if (found !== undefined) return { value: Math.min(found.length, limit), from: 'counted' };
  const { records, note } = typicalCases[source.format];
  // A limit that the public files do not reach leaves what they hold.
  if (records !== undefined && records < limit) return { value: records, from: 'assumed', note };
  return source.limit === undefined ? undefined : { value: source.limit, from: 'config' };
}

/** Tokens of an image on average: of the size that is given, of the files that are here, or of a typical size. */
async function tokensOfImage(
  source: Source,
  sample: readonly BenchmarkCase[],
  reader: Reader,
  { imageWidth, imageHeight }: Given,
): Promise<Quantity> {
  const { size, sizeNote } = typicalCases[source.format];
  const typical = { width: imageWidth ?? size[0], height: imageHeight ?? size[1] };
  if (imageWidth !== undefined || imageHeight !== undefined)
    return { value: imageTokensOf(reader, typical), from: 'given' };
  const files = sample.flatMap(({ images }) => images ?? []).slice(0, COUNTED_IMAGES);
  if (files.length > 0) {
    const tokens = [];
    for (const file of files) tokens.push(imageTokensOf(reader, await decodeImage(file)));
    return { value: mean(tokens), from: 'counted', note: `${files.length} images` };
  }
  const from = source.format === 'clinic' ? 'config' : 'assumed';
  const note = `images of ${typical.width} × ${typical.height}, ${sizeNote}`;
  return { value: imageTokensOf(reader, typical), from, note };
}

/** The cases of a source: as its files have them where they are here, else as such cases usually are. */
export async function plannedCases(source: Source, reader: Reader, given: Given): Promise<PlannedCases> {
  const found = await casesAtHand(source);
  const sample = drawSubset(found ?? [], COUNTED_CASES, 0);
  const { processor } = reader;
  const typical = typicalCases[source.format];

  const question = (): Quantity => {
    if (given.tokensPerQuestion !== undefined) return { value: given.tokensPerQuestion, from: 'given' };
    if (processor === undefined || sample.length === 0)
      return { value: typical.question, from: 'assumed', note: typical.note };
    const tokens = sample.map(({ case: one }) => {
      const text = processor.render([casePrompt({ ...one, images: [] }, null)], true);
      return processor.tokenizer.encode(text).length;
    });
    return { value: mean(tokens), from: 'counted', note: `${sample.length} questions` };
  };
  const images = (): Quantity => {
    if (given.imagesPerCase !== undefined) return { value: given.imagesPerCase, from: 'given' };
    if (source.format === 'clinic') return { value: source.imageShare, from: 'config' };
    if (found !== undefined && found.length > 0)
      return { value: mean(found.map((one) => one.case.images.length)), from: 'counted' };
    return { value: typical.images, from: 'assumed', note: typical.note };
  };

  const perCase = images();
  const perImage = await tokensOfImage(source, sample, reader, given);
  const imageTokens =
    perCase.value === 0
      ? { value: 0, from: perCase.from }
      : combine((count, tokens) => count * tokens, perCase, perImage);
  const { note } = perImage;
  return {
    count: countOf(source, found),
    question: question(),
    images: perCase,
    imageTokens: { ...imageTokens, ...(note === undefined || perCase.value === 0 ? {} : { note }) },
  };
}
