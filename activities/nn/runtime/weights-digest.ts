import { createHash } from 'node:crypto';
import type { Adapter } from '../checkpoint/adapter.ts';
import type { Checkpoint } from '../checkpoint/checkpoint.ts';
import type { TensorSpec } from '../checkpoint/safetensors.ts';

/** Something was made for other weights than those it is to be used on. */
export class WrongBase extends Error {
  override readonly name = 'WrongBase';
}

/**
 * Digest of a model's weights: sha256 over one line a tensor, in name order, of name, type, shape and the sha256 of
 * its bytes. Shards, their order and everything beside the weights do not enter. Tensors are added in any order.
 */
export const createWeightsDigest = (): {
  add(spec: TensorSpec, bytes: Uint8Array): void;
  digest(): string;
} => {
  const lines: string[] = [];
  return {
    add: ({ name, dtype, shape }, bytes) => {
      lines.push(
        `${name} ${dtype} [${shape.join(',')}] ${createHash('sha256').update(bytes).digest('hex')}\n`,
      );
    },
    digest: () => `sha256:${createHash('sha256').update(lines.toSorted().join('')).digest('hex')}`,
  };
};

/** Digest of the weights of a model folder. */
export const weightsDigest = async (checkpoint: Checkpoint): Promise<string> => {
  const digest = createWeightsDigest();
  for (const spec of checkpoint.tensors.values()) digest.add(spec, await checkpoint.readRaw(spec.name));
  return digest.digest();
};

/** Throws `WrongBase`, naming both, if an adapter says that it was trained on other weights than `digest`. */
export const checkTrainedOn = (adapter: Adapter, digest: string, weights: string): void => {
  if (adapter.trainedOn !== undefined && adapter.trainedOn !== digest)
    throw new WrongBase(
      `adapter ${adapter.path} was trained on weights ${adapter.trainedOn}, but ${weights} has ${digest}: use it on the weights it was trained on`,
    );
};
