import { resolve } from 'node:path';
import { readAdapter } from '../checkpoint/adapter.ts';
import { openCheckpoint } from '../checkpoint/checkpoint.ts';
import type { Checkpoint } from '../checkpoint/checkpoint.ts';
import { openProcessor } from '../checkpoint/processor.ts';
import type { Processor } from '../checkpoint/processor.ts';
import { imagePatches } from '../images/patches.ts';
import { startingValues } from '../training/adapter.ts';
import type { FlatLayout } from '../training/flat-layout.ts';
import type { LoadImage } from '../training/image-embeds.ts';
import { decodeImage } from './decode-image.ts';
import { nodeFolder } from './files.ts';
import type { Session } from './session.ts';
import { checkTrainedOn, weightsDigest } from './weights-digest.ts';

/** A model folder as training uses it. */
export interface TrainingModel {
  readonly checkpoint: Checkpoint;
  readonly processor: Processor;
  /** Digest of the weights, which the adapter records. */
  readonly digest: string;
  /** Writes the weights into the variables of the group `base`. */
  fillBase(session: Session): Promise<void>;
  /** Reads images by their paths under a folder. */
  loadImage(root: string): LoadImage;
  /** Values of an adapter folder, checked against this model. */
  readAdapter(folder: string, layout: FlatLayout, scale: number): Promise<Float32Array>;
}

/** Opens a model folder, lends it to `use` and closes it. */
export const withTrainingModel = async <T>(
  folder: string,
  use: (model: TrainingModel) => Promise<T>,
): Promise<T> => {
  const files = nodeFolder(folder);
  const checkpoint = await openCheckpoint(files);
  try {
    const processor = await openProcessor(files);
    const digest = await weightsDigest(checkpoint);
    return await use({
      checkpoint,
      processor,
      digest,
      fillBase: (session) => session.fill('base', (name) => checkpoint.read(name)),
      loadImage: (root) => async (name) =>
        imagePatches(await decodeImage(resolve(root, name)), processor.images),
      async readAdapter(path, layout, scale) {
        const adapter = await readAdapter(nodeFolder(path), checkpoint.config);
        checkTrainedOn(adapter, digest, folder);
        return startingValues(adapter, layout, scale);
      },
    });
  } finally {
    await checkpoint.close();
  }
};
