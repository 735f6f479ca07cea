/**
 * base + η·τ without rounding: a checkpoint whose touched tensors are float32 sums and whose others are as they are
 * stored. It is read tensor by tensor, so that no more than one is in memory.
 */
import type { Adapter } from '../nn/checkpoint/adapter.ts';
import type { Checkpoint } from '../nn/checkpoint/checkpoint.ts';
import { encode } from '../nn/checkpoint/dtype.ts';
import { checkTrainedOn, weightsDigest } from '../nn/runtime/weights-digest.ts';
import { openVectorOf, type OpenVector } from './open-vector.ts';

/** The sum as a checkpoint; closing it closes both. */
export const unroundedSum = (base: Checkpoint, vector: OpenVector, factor = 1): Checkpoint => {
  const read = async (name: string): Promise<Float32Array> => {
    const sum = await base.read(name);
    if (!vector.tensors.has(name)) return sum;
    const part = await vector.read(name);
    for (let i = 0; i < sum.length; i++) sum[i]! += Math.fround(factor * part[i]!);
    return sum;
  };
  return {
    path: `${base.path} + ${factor === 1 ? '' : `${factor} · `}${vector.path}`,
    config: base.config,
    tensors: new Map(
      [...base.tensors].map(([name, spec]) => [
        name,
        vector.tensors.has(name) ? { ...spec, dtype: 'F32' as const } : spec,
      ]),
    ),
    read,
    readRaw: async (name) =>
      vector.tensors.has(name) ? encode('F32', await read(name)) : base.readRaw(name),
    async close() {
      await vector.close();
      await base.close();
    },
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
