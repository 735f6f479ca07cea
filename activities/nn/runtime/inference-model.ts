import { resolve } from 'node:path';
import { z } from 'zod';
import type { Message } from '../../../schemas/message.ts';
import { readAdapter } from '../checkpoint/adapter.ts';
import type { Adapter } from '../checkpoint/adapter.ts';
import { openCheckpoint } from '../checkpoint/checkpoint.ts';
import type { Checkpoint } from '../checkpoint/checkpoint.ts';
import { readJson } from '../checkpoint/files.ts';
import type { ReadFolder } from '../checkpoint/files.ts';
import { openProcessor } from '../checkpoint/processor.ts';
import type { Processor } from '../checkpoint/processor.ts';
import type { ImagedPrompt } from '../generation/answerer.ts';
import { encodePrompt, suppressedTokens } from '../generation/prompt.ts';
import { gridOf, imagePatches } from '../images/patches.ts';
import type { LoadImage } from '../training/image-embeds.ts';
import { decodeImage } from './decode-image.ts';
import { nodeFolder } from './files.ts';
import { checkTrainedOn, weightsDigest } from './weights-digest.ts';

/** A model folder, and an adapter folder where there is one, as inference uses them. */
export interface InferenceModel extends AsyncDisposable {
  readonly checkpoint: Checkpoint;
  readonly processor: Processor;
  readonly adapter: Adapter | undefined;
  /** Tokens that end an answer. */
  readonly stopTokens: readonly number[];
  /** Tokens that sampling never draws. */
  readonly suppressed: readonly number[];
  /** An image file as patches. */
  readonly loadImage: LoadImage;
  /** A conversation up to the assistant's header; image paths are relative to `root`. */
  encode(
    id: string,
    messages: readonly Message[],
    images: readonly string[],
    root: string,
  ): Promise<ImagedPrompt>;
}

export interface InferenceOptions {
  readonly model: string;
  readonly adapter?: string | undefined;
  /** Gives the weights to use in place of the stored ones, such as these with a vector added; closing them closes those. */
  readonly weights?: ((stored: Checkpoint) => Promise<Checkpoint>) | undefined;
  /** Caps images further than the model's own settings do. */
  readonly maxPixels?: number | undefined;
}

/** Opens the folders; an adapter that was trained on other weights is an error. */
export async function openInferenceModel(options: InferenceOptions): Promise<InferenceModel> {
  const folder = nodeFolder(options.model);
  let checkpoint = await openCheckpoint(folder);
  try {
    checkpoint = (await options.weights?.(checkpoint)) ?? checkpoint;
    const { config } = checkpoint;
    const processor = await openProcessor(folder, options.maxPixels);
    const adapter =
      options.adapter === undefined ? undefined : await readAdapter(nodeFolder(options.adapter), config);
    if (adapter?.trainedOn !== undefined)
      checkTrainedOn(adapter, await weightsDigest(checkpoint), checkpoint.path);
    const loadImage: LoadImage = async (path) => imagePatches(await decodeImage(path), processor.images);
    return {
      checkpoint,
      processor,
      adapter,
      stopTokens: (await generationStops(folder)) ?? config.eosTokenIds,
      suppressed: suppressedTokens(config, processor.tokenizer),
      loadImage,
      async encode(id, messages, images, root) {
        const paths = images.map((image) => resolve(root, image));
        const grids = await Promise.all(
          paths.map(async (path) => gridOf(await decodeImage(path), processor.images)),
        );
        return { id, ...encodePrompt(processor, config, messages, grids), images: paths, grids };
      },
      [Symbol.asyncDispose]: () => checkpoint.close(),
    };
  } catch (error) {
    await checkpoint.close();
    throw error;
  }
}

const GenerationConfig = z.looseObject({ eos_token_id: z.union([z.int(), z.array(z.int())]).nullish() });

/** The end tokens of generation_config.json, where it names any. */
async function generationStops(folder: ReadFolder): Promise<number[] | undefined> {
  const name = 'generation_config.json';
  if (!(await folder.list()).includes(name)) return undefined;
  const eos = GenerationConfig.parse(await readJson(folder, name)).eos_token_id;
  return eos === null || eos === undefined ? undefined : [eos].flat();
}
