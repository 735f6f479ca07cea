import { encode, toFloat32 } from '../checkpoint/dtype.ts';
import type { FileRange } from '../checkpoint/files.ts';
import type { DType, HostArray } from '../ops/dtype.ts';
import { show, sizeOf } from '../ops/shape.ts';
import type { Shape } from '../ops/shape.ts';
import type { Trace } from '../ops/trace.ts';
import type { Value } from '../ops/node.ts';
import { put } from './staging.ts';
import type { Place } from './staging.ts';

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

/** Numbers in a file, little-endian, still to be read. */
export interface StoredNumbers {
  readonly dtype: 'float32' | 'bfloat16';
  readonly byteLength: number;
  /** Where they can be mapped. */
  readonly range: FileRange | undefined;
  readInto(bytes: Uint8Array): Promise<void>;
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

/**
 * The most numbers that cross the boundary in one run, unless one variable alone has more. TensorFlow takes some 70 ms to prepare
 * the first run of an entry point in the graph of a large model, so there are to be few.
 */
const chunkNumbers = 2 ** 25;

export const groupOf = (name: string): string => name.slice(0, Math.max(0, name.indexOf('/')));

/** Members of a group up to which each can be set and read alone: two entry points each, which take milliseconds to load. */
const fewMembers = 64;

/** Variables that can be set and read alone. */
export function reachedAlone(variables: readonly Variable[]): ReadonlySet<Variable> {
  const members = new Map<string, number>();
  for (const { name } of variables) members.set(groupOf(name), (members.get(groupOf(name)) ?? 0) + 1);
  return new Set(
    variables.filter(({ name }) => groupOf(name) === '' || members.get(groupOf(name))! <= fewMembers),
  );
}

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
  const size = sizeOf(shape);
  const bits = t.bitcastToBfloat16(t.input(key, [Math.ceil(size / 2)], 'int32'));
  return t.reshape(size % 2 === 0 ? bits : t.slice(t.reshape(bits, [-1]), [0], [size]), shape);
}

/** What a variable is read as. */
export function send(t: Trace, { name, shape, dtype }: Variable): Value {
  return t.after([], t.cast(t.variable(name, shape, dtype), dtype === 'bfloat16' ? 'float32' : dtype));
}

/** Bytes of the form that `receive` takes. */
export const wireBytes = ({ shape, dtype }: Variable): number =>
  4 * (dtype === 'bfloat16' ? Math.ceil(sizeOf(shape) / 2) : sizeOf(shape));

export const chunkBytes = ({ variables }: Chunk): number =>
  variables.reduce((sum, variable) => sum + wireBytes(variable), 0);

const check = ({ name, shape, dtype }: Variable, numbers: number): void => {
  if (numbers !== sizeOf(shape))
    throw new VariableError(`variable "${name}" is ${dtype} ${show(shape)}, given ${numbers} numbers`);
};

/** Data in the form that `receive` takes; float32 for a bfloat16 variable is rounded to the nearest, ties to even. */
export function wire(variable: Variable, data: VariableData): HostArray {
  const { name, dtype } = variable;
  check(variable, 'bytes' in data ? data.bytes.length / 2 : data.length);
  if (dtype === 'bfloat16') return 'bytes' in data ? pairs(data.bytes) : pairs(roundToBfloat16(name, data));
  if ('bytes' in data) return toFloat32('BF16', data.bytes);
  return data;
}

/** The same at a place; numbers that the variable holds as they are stored are read to there. */
export async function wireInto(
  place: Place,
  variable: Variable,
  data: VariableData | StoredNumbers,
): Promise<HostArray> {
  if (!('readInto' in data)) return put(place, wire(variable, data));
  const { byteLength } = data;
  if (variable.dtype === data.dtype) {
    checkStored(variable, data);
    const kind = data.dtype === 'float32' ? Float32Array : Int32Array;
    const numbers = new kind(place.buffer, place.offset, Math.ceil(byteLength / 4));
    numbers.fill(0, -1);
    await data.readInto(new Uint8Array(place.buffer, place.offset, byteLength));
    return numbers;
  }
  const bytes = new Uint8Array(byteLength);
  await data.readInto(bytes);
  return put(
    place,
    wire(variable, data.dtype === 'float32' ? new Float32Array(bytes.buffer) : { dtype: data.dtype, bytes }),
  );
}

/** Refuses stored numbers that are not as many as the variable's. */
export const checkStored = (variable: Variable, { dtype, byteLength }: StoredNumbers): void =>
  check(variable, byteLength / (dtype === 'float32' ? 4 : 2));

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
