import { withVector } from '../merge/open-vector.ts';
import { VECTOR_FILE } from '../merge/vector-folder.ts';
import { openCheckpoint, type Checkpoint } from '../nn/checkpoint/checkpoint.ts';
import { listNames } from '../nn/checkpoint/tensor-names.ts';
import { sameShape } from '../nn/ops/shape.ts';
import { nodeFolder } from '../nn/runtime/files.ts';
import type { InferenceOptions } from '../nn/runtime/inference-model.ts';

/** What RL is to start from is nothing it can start from, or belongs to another model. */
export class StartError extends Error {
  override readonly name = 'StartError';
}

/** Opens a model that was merged on `base`, in whose place it is used. */
const openMerged = async (folder: string, base: Checkpoint): Promise<Checkpoint> => {
  const merged = await openCheckpoint(nodeFolder(folder));
  const names = new Set([...base.tensors.keys(), ...merged.tensors.keys()]);
  const differing = [...names].filter((name) => {
    const [a, b] = [base.tensors.get(name), merged.tensors.get(name)];
    return a === undefined || b === undefined || !sameShape(a.shape, b.shape);
  });
  if (differing.length > 0) {
    await merged.close();
    throw new StartError(`${folder} was not merged on ${base.path}: they differ in ${listNames(differing)}`);
  }
  await base.close();
  return merged;
};

const startFrom =
  (folder: string): ((base: Checkpoint) => Promise<Checkpoint>) =>
  async (base) => {
    const files = await nodeFolder(folder).list();
    if (files.includes(VECTOR_FILE) || files.includes('adapter_config.json')) return withVector(folder)(base);
    if (files.includes('config.json')) return openMerged(folder, base);
    throw new StartError(
      `${folder}: holds no task vector (${VECTOR_FILE}), no adapter (adapter_config.json) and no model (config.json)`,
    );
  };

/**
 * The model that RL starts from and is held near: the one given, with the vector or adapter of `start` added to it in
 * float32, unrounded, or with the weights of the model in `start`, which was merged on it.
 */
export const startingModel = (
  model: string,
  start: string | undefined,
): Pick<InferenceOptions, 'model' | 'weights'> =>
  start === undefined ? { model } : { model, weights: startFrom(start) };
