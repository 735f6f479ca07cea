import { createHash } from 'node:crypto';
import type { Adapter } from '../checkpoint/adapter.ts';
import type { Checkpoint } from '../checkpoint/checkpoint.ts';
import type { TensorSpec } from '../checkpoint/safetensors.ts';

/** Something was made for other weights than those it is to be used on. */
export class WrongBase extends Error {
  override readonly name = 'WrongBase';
}

/** sha256 of the bytes of each tensor, by name. */
export type TensorDigests = ReadonlyMap<string, string>;

/** The digests of a model folder's tensors. They are read in parts: it takes a few megabytes, however large they are. */
export const tensorDigests = async (checkpoint: Checkpoint): Promise<TensorDigests> => {
  const digests = new Map<string, string>();
  for (const name of checkpoint.tensors.keys()) {
    const hash = createHash('sha256');
    for await (const part of checkpoint.parts(name)) hash.update(part);
    digests.set(name, hash.digest('hex'));
  }
  return digests;
};

/**
 * Digest of a model's weights: sha256 over one line a tensor, in name order, of name, type, shape and the sha256 of
 * its bytes. Shards, their order and everything beside the weights do not enter.
 */
export const digestOfTensors = (specs: Iterable<TensorSpec>, digests: TensorDigests): string => {
  const lines = [...specs].map(
    ({ name, dtype, shape }) => `${name} ${dtype} [${shape.join(',')}] ${digests.get(name)}\n`,
  );
  return `sha256:${createHash('sha256').update(lines.toSorted().join('')).digest('hex')}`;
};

/** Digest of the weights of a model folder. */
export const weightsDigest = async (checkpoint: Checkpoint): Promise<string> =>
  digestOfTensors(checkpoint.tensors.values(), await tensorDigests(checkpoint));

/** Throws `WrongBase`, naming both, if an adapter says that it was trained on other weights than `digest`. */
export const checkTrainedOn = (adapter: Adapter, digest: string, weights: string): void => {
  if (adapter.trainedOn !== undefined && adapter.trainedOn !== digest)
    throw new WrongBase(
      `adapter ${adapter.path} was trained on weights ${adapter.trainedOn}, but ${weights} has ${digest}: use it on the weights it was trained on`,
    );
};
