import { readAdapter, scaleOf, type Adapter } from '../nn/checkpoint/adapter.ts';
import type { Checkpoint } from '../nn/checkpoint/checkpoint.ts';
import { nodeFolder } from '../nn/runtime/files.ts';
import { checkTrainedOn, weightsDigest, WrongBase } from '../nn/runtime/weights-digest.ts';
import { lowRankUpdate } from './low-rank.ts';
import { unroundedSum } from './unrounded.ts';
import { openVector, VECTOR_FILE, VectorError } from './vector-folder.ts';

/** A task vector that counts from a model's weights, read tensor by tensor. */
export interface OpenVector {
  readonly path: string;
  /** Tensors that it touches, by their canonical names; it is 0 everywhere else. */
  readonly tensors: ReadonlySet<string>;
  /** Its part of a tensor that it touches, float32. */
  read(tensor: string): Promise<Float32Array>;
  /** Digest of the rounded model that it was stored with; undefined for an adapter. */
  readonly model: string | undefined;
  close(): Promise<void>;
}

/**
 * Opens a folder that holds a task vector, or a PEFT adapter, whose vector is (α/r)·B·A.
 *
 * Throws `VectorError` where it holds neither and `WrongBase` where it counts from other weights than the base's.
 */
export const openVectorOf = async (
  folder: string,
  base: Checkpoint,
  baseDigest: string,
): Promise<OpenVector> => {
  const files = await nodeFolder(folder).list();
  if (files.includes('adapter_config.json')) {
    const adapter = await readAdapter(nodeFolder(folder), base.config);
    checkTrainedOn(adapter, baseDigest, base.path);
    const updated = new Map([...adapter.modules].map(([module, lora]) => [`${module}.weight`, lora]));
    return {
      path: folder,
      tensors: new Set(updated.keys()),
      read: async (tensor) => {
        const lora = updated.get(tensor);
        if (lora === undefined) throw new VectorError(`${folder}: does not touch ${tensor}`);
        return lowRankUpdate(lora, scaleOf(lora, adapter.settings));
      },
      model: undefined,
      close: async () => {},
    };
  }
  if (!files.includes(VECTOR_FILE))
    throw new VectorError(`${folder}: holds neither ${VECTOR_FILE} nor an adapter (adapter_config.json)`);
  const { file, provenance } = await openVector(nodeFolder(folder), base);
  if (provenance.base !== baseDigest) {
    await file.close();
    throw new WrongBase(
      `vector ${folder} counts from weights ${provenance.base}, but ${base.path} has ${baseDigest}`,
    );
  }
  return {
    path: folder,
    tensors: new Set(file.tensors.keys()),
    read: (tensor) => file.read(tensor),
    model: provenance.model,
    close: () => file.close(),
  };
};

/** Adds the vector or the adapter of a folder to whatever checkpoint it is given; one that belongs to others is an error. */
export const withVector =
  (folder: string, factor = 1): ((base: Checkpoint) => Promise<Checkpoint>) =>
  async (base) =>
    unroundedSum(base, await openVectorOf(folder, base, await weightsDigest(base)), factor);

/** Throws `WrongBase` unless an adapter was trained on base + vector, as that was stored or unrounded. */
export const checkTrainedOnSum = async (
  adapter: Adapter,
  base: Checkpoint,
  vector: OpenVector,
): Promise<void> => {
  if (adapter.trainedOn === undefined || adapter.trainedOn === vector.model) return;
  const sum = unroundedSum(base, vector);
  checkTrainedOn(adapter, await weightsDigest(sum), sum.path);
};
