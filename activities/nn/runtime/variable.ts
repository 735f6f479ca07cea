import { encode, toFloat32 } from '../checkpoint/dtype.ts';
import type { DType, HostArray } from '../ops/dtype.ts';
import { show, sizeOf } from '../ops/shape.ts';
import type { Shape } from '../ops/shape.ts';
import type { Trace } from '../ops/trace.ts';
import type { Value } from '../ops/node.ts';

/** State of a session. What stands before the first "/" of a name is its group, which is filled and read as a whole. */
export interface Variable {
  readonly name: string;
  readonly shape: Shape;
  readonly dtype: DType;
}

/** Raw bfloat16 numbers, little-endian, two bytes each. */
export interface Bfloat16Bits {
  readonly dtype: 'bfloat16';
  readonly bytes: Uint8Array;
}

export type VariableData = HostArray | Bfloat16Bits;

/** What is given to a variable does not have its size or type. */
export class VariableError extends Error {
  override readonly name = 'VariableError';
}

/** Variables of one group and dtype that are written or read by one run. */
export interface Chunk {
  readonly group: string;
  readonly variables: readonly Variable[];
}

/** The most numbers that cross the boundary in one run, unless one variable alone has more. */
const chunkNumbers = 2 ** 26;

export const groupOf = (name: string): string => name.slice(0, Math.max(0, name.indexOf('/')));

export function chunksOf(variables: readonly Variable[]): Chunk[] {
  const chunks: { group: string; dtype: DType; size: number; variables: Variable[] }[] = [];
  for (const variable of variables) {
    const [group, size] = [groupOf(variable.name), sizeOf(variable.shape)];
    if (group === '') continue;
    const open = chunks.findLast((chunk) => chunk.group === group && chunk.dtype === variable.dtype);
    if (open !== undefined && open.size + size <= chunkNumbers) {
      open.variables.push(variable);
      open.size += size;
    } else chunks.push({ group, dtype: variable.dtype, size, variables: [variable] });
  }
  return chunks;
}

/** The input that a variable is written from; bfloat16 comes in as pairs in int32, since it cannot cross itself. */
export function receive(t: Trace, key: string, { shape, dtype }: Variable): Value {
  if (dtype !== 'bfloat16') return t.input(key, shape, dtype);
  const bits = t.bitcastToBfloat16(t.input(key, [Math.ceil(sizeOf(shape) / 2)], 'int32'));
  return t.reshape(t.slice(t.reshape(bits, [-1]), [0], [sizeOf(shape)]), shape);
}

/** What a variable is read as. */
export function send(t: Trace, { name, shape, dtype }: Variable): Value {
  return t.after([], t.cast(t.variable(name, shape, dtype), dtype === 'bfloat16' ? 'float32' : dtype));
}

/** Data in the form that `receive` takes; float32 for a bfloat16 variable is rounded to the nearest, ties to even. */
export function wire({ name, shape, dtype }: Variable, data: VariableData): HostArray {
  const numbers = 'bytes' in data ? data.bytes.length / 2 : data.length;
  if (numbers !== sizeOf(shape))
    throw new VariableError(`variable "${name}" is ${dtype} ${show(shape)}, given ${numbers} numbers`);
  if (dtype === 'bfloat16') return 'bytes' in data ? pairs(data.bytes) : pairs(roundToBfloat16(name, data));
  if ('bytes' in data) return toFloat32('BF16', data.bytes);
  return data;
}

function pairs(bytes: Uint8Array): Int32Array {
  const bits = new Int32Array(Math.ceil(bytes.length / 4));
  new Uint8Array(bits.buffer).set(bytes);
  return bits;
}

function roundToBfloat16(name: string, data: HostArray): Uint8Array {
  if (!(data instanceof Float32Array))
    throw new VariableError(`variable "${name}" is bfloat16, given ${data.constructor.name}`);
  return encode('BF16', data);
}
