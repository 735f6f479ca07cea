import { readAdapter } from '../checkpoint/adapter.ts';
import { fillBase } from '../models/frozen-weights.ts';
import { startingValues } from '../training/adapter.ts';
import type { FlatLayout } from '../training/flat-layout.ts';
import { nodeFolder } from './files.ts';
import { openInferenceModel } from './inference-model.ts';
import type { InferenceModel, InferenceOptions } from './inference-model.ts';
import type { Session } from './session.ts';
import { checkTrainedOn, weightsDigest } from './weights-digest.ts';

/** A model folder as training uses it. */
export interface TrainingModel {
  readonly model: InferenceModel;
  /** Digest of the weights, which the adapter records. */
  readonly digest: string;
  /** Writes the weights into the variables of the group `base`, rounded to `dtype`. */
  fillBase(session: Session, dtype: 'float32' | 'bfloat16'): Promise<void>;
  /** Values of an adapter folder, checked against this model. */
  readAdapter(folder: string, layout: FlatLayout, scale: number): Promise<Float32Array>;
}

/** Opens a model folder, or one whose weights are others than the stored, lends it to `use` and closes it. */
export const withTrainingModel = async <T>(
  source: string | Pick<InferenceOptions, 'model' | 'weights'>,
  use: (model: TrainingModel) => Promise<T>,
): Promise<T> => {
  await using model = await openInferenceModel(typeof source === 'string' ? { model: source } : source);
  const { checkpoint } = model;
  const digest = await weightsDigest(checkpoint);
  return await use({
    model,
    digest,
    fillBase: (session, dtype) => fillBase(session, checkpoint, dtype),
    async readAdapter(path, layout, scale) {
      const adapter = await readAdapter(nodeFolder(path), checkpoint.config);
      checkTrainedOn(adapter, digest, checkpoint.path);
      return startingValues(adapter, layout, scale);
    },
  });
};
