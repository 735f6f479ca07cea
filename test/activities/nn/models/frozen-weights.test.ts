import { describe, expect, it } from 'vitest';
import type { Checkpoint } from '../../../../activities/nn/checkpoint/checkpoint.ts';
import { encode, toFloat32, type Dtype } from '../../../../activities/nn/checkpoint/dtype.ts';
import { fillBase } from '../../../../activities/nn/models/frozen-weights.ts';
import { Program } from '../../../../activities/nn/runtime/program.ts';

/** 1 + 2⁻⁸ lies midway between two bfloat16 numbers and goes to the even one, 1 + 3·2⁻⁸ up to 1 + 2⁻⁶. */
const values = Float32Array.of(1, 1 + 2 ** -8, 1 + 3 * 2 ** -8, -0.1, 0, 2 ** -14);
const rounded = Float32Array.of(1, 1, 1 + 2 ** -6, -0.10009765625, 0, 2 ** -14);

/** One matrix and one vector of the same numbers. */
const checkpointOf = (dtype: Dtype): Checkpoint => {
  const bytes = encode(dtype, values);
  const tensors = new Map(
    (['matrix', 'vector'] as const).map((name) => [
      name,
      { name, dtype, shape: name === 'matrix' ? [2, 3] : [6] },
    ]),
  );
  const partial: Partial<Checkpoint> = {
    tensors,
    range: () => undefined,
    read: () => Promise.resolve(toFloat32(dtype, bytes)),
    readInto: async (_, into) => into.set(bytes),
  };
  return partial as Checkpoint;
};

const filled = async (stored: Dtype, dtype: 'float32' | 'bfloat16', matrix: 'float32' | 'bfloat16') => {
  const program = new Program();
  program.entry('sum', (t) => ({
    outputs: {
      sum: t.add(
        t.sum(t.cast(t.variable('base/matrix', [2, 3], matrix), 'float32'), [0, 1]),
        t.sum(t.variable('base/vector', [6]), [0]),
      ),
    },
  }));
  const session = await program.load();
  await fillBase(session, checkpointOf(stored), dtype);
  const found = [session.get('base/matrix'), session.get('base/vector')];
  session.dispose();
  return found;
};

describe('frozen weights', () => {
  it.each(['F32', 'F16', 'BF16'] as const)(
    'of a checkpoint in %s are held exactly in float32',
    async (stored) => {
      const exact = toFloat32(stored, encode(stored, values));
      expect(await filled(stored, 'float32', 'float32')).toEqual([exact, exact]);
    },
  );

  it.each(['F32', 'F16', 'BF16'] as const)(
    'of a checkpoint in %s take the values of bfloat16, whatever holds them',
    async (stored) => {
      const expected = toFloat32('BF16', encode('BF16', toFloat32(stored, encode(stored, values))));
      for (const matrix of ['float32', 'bfloat16'] as const)
        expect(await filled(stored, 'bfloat16', matrix)).toEqual([expected, expected]);
      if (stored === 'F32') expect(expected).toEqual(rounded);
    },
  );
});
