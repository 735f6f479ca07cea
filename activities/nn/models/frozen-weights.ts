import type { Checkpoint } from '../checkpoint/checkpoint.ts';
import { bytesOf, elementsOf, encode } from '../checkpoint/dtype.ts';
import type { Session } from '../runtime/session.ts';
import type { StoredNumbers, VariableData } from '../runtime/variable.ts';

/** A weight in what frozen weights are stored in: as it lies in the file, or rounded to bfloat16, ties to even. */
async function storedWeight(
  checkpoint: Checkpoint,
  name: string,
  dtype: 'float32' | 'bfloat16',
): Promise<VariableData | StoredNumbers> {
  const spec = checkpoint.tensors.get(name);
  if (spec?.dtype === 'BF16' || (spec?.dtype === 'F32' && dtype === 'float32'))
    return {
      dtype: spec.dtype === 'BF16' ? 'bfloat16' : 'float32',
      byteLength: elementsOf(spec.shape) * bytesOf(spec.dtype),
      range: checkpoint.range(name),
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
