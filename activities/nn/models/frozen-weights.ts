import type { Checkpoint } from '../checkpoint/checkpoint.ts';
import { encode } from '../checkpoint/dtype.ts';
import type { Session } from '../runtime/session.ts';
import type { VariableData } from '../runtime/variable.ts';

/** A weight in what frozen weights are stored in: bfloat16 as it lies in the file, or rounded to it, ties to even. */
async function storedWeight(
  checkpoint: Checkpoint,
  name: string,
  dtype: 'float32' | 'bfloat16',
): Promise<VariableData> {
  if (dtype === 'float32') return checkpoint.read(name);
  const bytes =
    checkpoint.tensors.get(name)?.dtype === 'BF16'
      ? await checkpoint.readRaw(name)
      : encode('BF16', await checkpoint.read(name));
  return { dtype, bytes };
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
