/**
 * The arithmetic of a merge on a block of entries, four float32 at a time.
 *
 * Each thread has an instance of its own; arrays lie in its memory. All lengths are counted in entries and rounded up to four,
 * so what lies behind an array's end must be room for it. Legend: V vectors, n entries, r rank, K inputs of a linear layer.
 */
import { compile, growTo, type Exports } from '../nn/wasm/compile.ts';
import { applyBfloat16 } from './kernels/apply.ts';
import { electAndAverage, weightedSum } from './kernels/blend.ts';
import { countLower, countUpper, diverged, trim } from './kernels/magnitudes.ts';
import { product } from './kernels/product.ts';
import { VECTOR_BYTES } from './kernels/words.ts';

interface Functions {
  product(out: number, factors: number, a: number, rows: number, rank: number, inputs: number): void;
  diverged(x: number, n: number): number;
  countUpper(x: number, n: number, tables: number): void;
  countLower(x: number, n: number, bin: number, table: number): void;
  trim(x: number, n: number, bits: number, ties: number): number;
  weightedSum: Combine;
  electAndAverage: Combine;
  applyBfloat16(out: number, base: number, tau: number, n: number, sums: number): void;
}

type Combine = (
  out: number,
  n: number,
  xs: number,
  weights: number,
  count: number,
  distance: number,
  factor: number,
) => void;

/** The functions, and their memory as it is given out: each call of `reserve` starts anew. */
export interface Kernels extends Functions {
  /** Room for arrays of the given numbers of bytes: their addresses, each a multiple of 16, with 16 bytes to spare. */
  reserve(...bytes: readonly number[]): number[];
  floats(address: number, n: number): Float32Array;
  counts(address: number, n: number): Uint32Array;
  doubles(address: number, n: number): Float64Array;
  bytes(address: number, n: number): Uint8Array;
}

const functions = [
  product,
  diverged,
  countUpper,
  countLower,
  trim,
  weightedSum,
  electAndAverage,
  applyBfloat16,
];

const instantiate = (): Kernels => {
  const { memory, ...exported } = compile(functions)() as Exports & Functions;
  return {
    ...exported,
    reserve(...bytes) {
      let end = 0;
      const addresses = bytes.map((length) => {
        const address = end;
        end += Math.ceil(length / VECTOR_BYTES + 1) * VECTOR_BYTES;
        return address;
      });
      growTo(memory, end);
      return addresses;
    },
    floats: (address, n) => new Float32Array(memory.buffer, address, n),
    counts: (address, n) => new Uint32Array(memory.buffer, address, n),
    doubles: (address, n) => new Float64Array(memory.buffer, address, n),
    bytes: (address, n) => new Uint8Array(memory.buffer, address, n),
  };
};

let instance: Kernels | undefined;

/** This thread's instance. */
export const kernels = (): Kernels => (instance ??= instantiate());
