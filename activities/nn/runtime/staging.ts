import type { HostArray } from '../ops/dtype.ts';

/**
 * Memory that numbers are put in to be written to variables, used again and again.
 *
 * TensorFlow takes an array that begins at a multiple of 64 bytes as it lies, and a variable then keeps that very memory: what
 * is put there next would change the variable. Any other array it copies. Ordinary arrays begin anywhere, so that it is
 * chance which of both happens; WebAssembly's memory begins at a page, and places in it are chosen to be copied.
 */
export interface Staging {
  /** Room for the next arrays, of so many bytes each; what was put there before is lost. */
  reserve(bytes: readonly number[]): readonly Place[];
}

/** Where one array goes. */
export interface Place {
  readonly buffer: ArrayBuffer;
  readonly offset: number;
}

interface Memory {
  readonly buffer: ArrayBuffer;
}

declare const WebAssembly: { readonly Memory: new (size: { readonly initial: number }) => Memory };

const PAGE = 2 ** 16;
const ALIGNMENT = 64;
/** Bytes that are kept though they are not needed. */
const SPARE = 2 ** 27;
/** What places lie behind a multiple of 64. */
const SHIFT = 16;

export function createStaging(): Staging {
  let memory: Memory | undefined;
  return {
    reserve(bytes) {
      let end = 0;
      const offsets = bytes.map((length) => {
        const offset = end + SHIFT;
        end = Math.ceil((offset + length) / ALIGNMENT) * ALIGNMENT;
        return offset;
      });
      // Memory for one that was far larger goes back to the system.
      const size = memory?.buffer.byteLength ?? 0;
      if (memory === undefined || size < end || size > SPARE + end)
        memory = new WebAssembly.Memory({ initial: Math.ceil(end / PAGE) });
      const { buffer } = memory;
      return offsets.map((offset) => ({ buffer, offset }));
    },
  };
}

/** Copies numbers to a place; gives them as they lie there. */
export function put({ buffer, offset }: Place, numbers: HostArray): HostArray {
  const bytes = new Uint8Array(buffer, offset, numbers.byteLength);
  bytes.set(new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength));
  if (numbers instanceof Float32Array) return new Float32Array(buffer, offset, numbers.length);
  if (numbers instanceof Int32Array) return new Int32Array(buffer, offset, numbers.length);
  return bytes;
}
