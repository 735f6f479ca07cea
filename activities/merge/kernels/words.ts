/** Words that the kernels share: constants, and what is done to four float32 or their bits at a time. */
import { i32, i32x4, v128, type Value } from '../../nn/wasm/assembler.ts';

export const VECTOR_BYTES = 16;
/** The least bits of a magnitude that is no finite number. */
export const INFINITY_BITS = 0x7f800000;

export const c = i32.const;
export const step = c(VECTOR_BYTES);
export const ones = (bits: number): Value<'v128'> => i32x4.splat(c(bits));
export const magnitude = (bits: Value<'v128'>): Value<'v128'> => v128.and(bits, ones(0x7fffffff));
export const upperHalf = (bits: Value<'v128'>): Value<'v128'> => i32x4.shrU(bits, c(16));
export const bytesOf = (n: Value<'i32'>): Value<'i32'> => i32.shl(n, c(2));
