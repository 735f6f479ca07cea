import type { Checkpoint } from '../checkpoint/checkpoint.ts';
import { elementsOf, encode } from '../checkpoint/dtype.ts';
import type { Session } from '../runtime/session.ts';
import type { StoredBfloat16, VariableData } from '../runtime/variable.ts';

/** A weight in what frozen weights are stored in: bfloat16 as it lies in the file, or rounded to it, ties to even. */
async function storedWeight(
  checkpoint: Checkpoint,
  name: string,
  dtype: 'float32' | 'bfloat16',
): Promise<VariableData | StoredBfloat16> {
  const spec = checkpoint.tensors.get(name);
  if (spec?.dtype === 'BF16')
    return {
      dtype: 'bfloat16',
      byteLength: 2 * elementsOf(spec.shape),
      readInto: (bytes) => checkpoint.readInto(name, bytes),
    };
  const numbers = await checkpoint.read(name);
  return dtype === 'float32' ? numbers : { dtype, bytes: encode('BF16', numbers) };
}

/**
 * Writes the weights of a checkpoint into the variables of the group `base`. Where `dtype` is bfloat16 each takes the value
 * that bfloat16 has for it, whatever the variable itself is.
 */
export const fillBase = (
  session: Session,
  checkpoint: Checkpoint,
  dtype: 'float32' | 'bfloat16',
): Promise<void> => session.fill('base', (name) => storedWeight(checkpoint, name, dtype));
