/**
 * Whether an export is what was merged: logits of base + adapter, of base + unrounded vector and of the written model,
 * read again, on fixed prompts.
 *
 * It is no part of the stage `merge`, which computes without TensorFlow in any worker: the model is held once in float32.
 */
import type { MergeParams } from '../../schemas/merge-params.ts';
import { MergeReport, type LogitAgreement, type LogitDifference } from '../../schemas/merge-report.ts';
import type { Message } from '../../schemas/message.ts';
import { readAdapter } from '../nn/checkpoint/adapter.ts';
import { openCheckpoint, readModelConfig, type Checkpoint } from '../nn/checkpoint/checkpoint.ts';
import { readJson, writeJson, writeText } from '../nn/checkpoint/files.ts';
import type { ImagedPrompt } from '../nn/generation/answerer.ts';
import { encodePrompt } from '../nn/generation/prompt.ts';
import { openPromptLogits } from '../nn/generation/prompt-logits.ts';
import { imagePatches, type ImagePatches } from '../nn/images/patches.ts';
import type { RgbImage } from '../nn/images/resize.ts';
import { modelParameters } from '../nn/models/parameters.ts';
import { sizeOf } from '../nn/ops/shape.ts';
import { nodeFolder } from '../nn/runtime/files.ts';
import { openInferenceModel, type InferenceModel } from '../nn/runtime/inference-model.ts';
import { compareLogits } from './agreement.ts';
import { CARD_FILE, mergeCard, REPORT_FILE } from './card.ts';
import { withVector } from './open-vector.ts';

/** Folders of a merge. */
export interface VerifyFiles {
  readonly base: string;
  /** The merged vector. */
  readonly vector: string;
  /** The written model. */
  readonly model: string;
  /** The adapter whose own update the merged vector is; undefined where it is more or less than that. */
  readonly adapter: string | undefined;
}

const IMAGE = 'gradient';

/** Red grows to the right, green downwards. */
const gradient = (width: number, height: number): RgbImage => ({
  width,
  height,
  data: Uint8Array.from({ length: width * height * 3 }, (_, i) => {
    const pixel = Math.floor(i / 3);
    const [x, y] = [pixel % width, Math.floor(pixel / width)];
    return [(255 * x) / width, (255 * y) / height, 128][i % 3]!;
  }),
});

const CONVERSATIONS: readonly Message[] = [
  {
    role: 'user',
    content:
      'A 58-year-old man has had crushing chest pain for one hour. Which test comes first? A. Electrocardiogram B. Endoscopy',
  },
  { role: 'user', content: [{ type: 'image' }, { type: 'text', text: 'What does this picture show?' }] },
];

const promptsOf = ({ checkpoint, processor }: InferenceModel, image: ImagePatches): readonly ImagedPrompt[] =>
  CONVERSATIONS.map((message, i) => {
    const imaged = typeof message.content !== 'string';
    const grids = imaged ? [image.grid] : [];
    const prompt = encodePrompt(processor, checkpoint.config, [message], grids);
    return { id: `${i}`, ...prompt, images: imaged ? [IMAGE] : [], grids };
  });

/** A checkpoint that is read no further once the signal is aborted. */
const readUntil = (signal: AbortSignal, checkpoint: Checkpoint): Checkpoint => ({
  ...checkpoint,
  async read(name) {
    signal.throwIfAborted();
    return checkpoint.read(name);
  },
  async readInto(name, bytes) {
    signal.throwIfAborted();
    return checkpoint.readInto(name, bytes);
  },
  async *parts(name) {
    for await (const part of checkpoint.parts(name)) {
      signal.throwIfAborted();
      yield part;
    }
  },
});

/** Logits under each set of weights, and how far they differ. */
const compare = async (files: VerifyFiles, signal: AbortSignal): Promise<LogitAgreement> => {
  await using stored = await openInferenceModel({ model: files.model });
  const { config } = stored.checkpoint;
  const image = imagePatches(gradient(84, 56), stored.processor.images);
  const prompts = promptsOf(stored, image);
  const adapter =
    files.adapter === undefined ? undefined : await readAdapter(nodeFolder(files.adapter), config);
  using logits = await openPromptLogits(config, adapter, prompts, async () => image, signal);

  const found = new Map<string, Float32Array>();
  let weights = readUntil(signal, await openCheckpoint(nodeFolder(files.base)));
  try {
    if (adapter !== undefined) found.set('adapter', await logits.under(weights, 'with adapter'));
    weights = await withVector(files.vector)(weights);
    found.set('unrounded', await logits.under(weights));
  } finally {
    await weights.close();
  }
  found.set('stored', await logits.under(readUntil(signal, stored.checkpoint)));

  const pair = (from: LogitDifference['from'], to: LogitDifference['to']): LogitDifference => ({
    from,
    to,
    ...compareLogits(found.get(from)!, found.get(to)!, config.text.vocabSize),
  });
  return {
    prompts: prompts.length,
    tokens: prompts.reduce((sum, { tokens }) => sum + tokens.length, 0),
    pairs: [
      ...(adapter === undefined ? [] : [pair('adapter', 'unrounded'), pair('adapter', 'stored')]),
      pair('unrounded', 'stored'),
    ],
  };
};

/** Whether a merge of this adapter alone gives its update as it is: neither thinned nor scaled. */
export const isWholeUpdate = ({ method, density, lambda, weights }: MergeParams, name: string): boolean => {
  const thinned = density < 1 && (method === 'ties' || method === 'dare-ties');
  return !thinned && lambda * (method === 'task-arithmetic' ? (weights[name] ?? 1) : 1) === 1;
};

/**
 * Verifies a merge, and adds what was found to the report and the card in its folder. Once `signal` is aborted it throws
 * its reason, and leaves the folder as it was.
 */
export const verifyMerge = async (files: VerifyFiles, signal: AbortSignal): Promise<LogitAgreement> => {
  const agreement = await compare(files, signal);
  const folder = nodeFolder(files.model);
  const report = { ...MergeReport.parse(await readJson(folder, REPORT_FILE)), agreement };
  await writeJson(folder, REPORT_FILE, report);
  await writeText(folder, CARD_FILE, mergeCard(report));
  return agreement;
};

/** Parameters up to which a merge is verified unless told not to: 1 GiB of float32, less than merging itself may take. */
const PARAMETERS = 2 ** 28;

/** Whether holding the model in float32 costs so little that a merge is verified without being asked to. */
export const isCheapToVerify = async (base: string): Promise<boolean> => {
  const parameters = modelParameters(await readModelConfig(nodeFolder(base)));
  return parameters.reduce((sum, { shape }) => sum + sizeOf(shape), 0) <= PARAMETERS;
};
