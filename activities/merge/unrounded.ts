/**
 * base + η·τ without rounding: a checkpoint whose touched tensors are float32 sums and whose others are as they are
 * stored. It is read tensor by tensor, so that no more than one is in memory.
 */
import type { Checkpoint } from '../nn/checkpoint/checkpoint.ts';
import { encode } from '../nn/checkpoint/dtype.ts';
import type { OpenVector } from './open-vector.ts';

/** The sum as a checkpoint; closing it closes both. */
export const unroundedSum = (base: Checkpoint, vector: OpenVector, factor = 1): Checkpoint => {
  const read = async (name: string): Promise<Float32Array> => {
    const sum = await base.read(name);
    if (!vector.tensors.has(name)) return sum;
    const part = await vector.read(name);
    for (let i = 0; i < sum.length; i++) sum[i]! += Math.fround(factor * part[i]!);
    return sum;
  };
  const readRaw = async (name: string): Promise<Uint8Array> =>
    vector.tensors.has(name) ? encode('F32', await read(name)) : base.readRaw(name);
  return {
    path: `${base.path} + ${factor === 1 ? '' : `${factor} · `}${vector.path}`,
    config: base.config,
    tensors: new Map(
      [...base.tensors].map(([name, spec]) => [
        name,
        vector.tensors.has(name) ? { ...spec, dtype: 'F32' as const } : spec,
      ]),
    ),
    range: (name) => (vector.tensors.has(name) ? undefined : base.range(name)),
    read,
    readRaw,
    async readInto(name, bytes) {
      if (vector.tensors.has(name)) bytes.set(await readRaw(name));
      else await base.readInto(name, bytes);
    },
    async *parts(name) {
      if (vector.tensors.has(name)) yield await readRaw(name);
      else yield* base.parts(name);
    },
    async close() {
      await vector.close();
      await base.close();
    },
  };
};
