import { createHash } from 'node:crypto';
import type { Adapter } from '../checkpoint/adapter.ts';
import type { Checkpoint } from '../checkpoint/checkpoint.ts';
import { encode, type TensorData } from '../checkpoint/dtype.ts';

/** An adapter was trained on other weights than those it is to be used on. */
export class WrongBase extends Error {
  override readonly name = 'WrongBase';
}

/**
 * Digest of a model's weights: sha256 over each tensor in name order, as `name dtype shape` and a line break, then its
 * bytes. Shards, file order and everything beside the weights do not enter. `replace` gives the values of tensors that
 * are to differ from the stored ones.
 */
export const weightsDigest = async (
  checkpoint: Checkpoint,
  replace: (name: string) => Promise<TensorData> | undefined = () => undefined,
): Promise<string> => {
  const hash = createHash('sha256');
  for (const { name, dtype, shape } of [...checkpoint.tensors.values()].toSorted((a, b) =>
    a.name < b.name ? -1 : 1,
  )) {
    hash.update(`${name} ${dtype} [${shape.join(',')}]\n`);
    const other = await replace(name);
    hash.update(other === undefined ? await checkpoint.readRaw(name) : encode(dtype, other));
  }
  return `sha256:${hash.digest('hex')}`;
};

/** Throws `WrongBase`, naming both, if an adapter says that it belongs to other weights than `digest`. */
export const checkTrainedOn = (adapter: Adapter, digest: string, weights: string): void => {
  if (adapter.trainedOn !== undefined && adapter.trainedOn !== digest)
    throw new WrongBase(
      `adapter ${adapter.path} was trained on weights ${adapter.trainedOn}, ${weights} has ${digest}: use it on the weights it was trained on`,
    );
};
