/**
 * The inner loop of resampling as WebAssembly with vector instructions, four times as fast as the same in JavaScript:
 * one pixel's three channels (and a neighbour's byte, which is left out again) are the lanes of a vector.
 */
import { define, i16x8, i32, i32x4, i8x16, loop, v128 } from '../wasm/assembler.ts';
import { compile, growTo, type Exports } from '../wasm/compile.ts';

/** Bits behind the point of a weight. */
export const PRECISION = 22;

/**
 * Writes `count` RGB pixels, `outStep` bytes apart from `out` on: each the sum of pixels `step` bytes apart, weighted by the
 * int32 from `weights` to `end`, rounded and clipped to a byte. Input begins at `at`, for the next pixel `next` bytes on.
 */
export type Mix = (
  at: number,
  next: number,
  step: number,
  weights: number,
  end: number,
  out: number,
  outStep: number,
  count: number,
) => void;

const c = i32.const;

const mix = define(
  'mix',
  {
    at: 'i32',
    next: 'i32',
    step: 'i32',
    weights: 'i32',
    end: 'i32',
    out: 'i32',
    outStep: 'i32',
    count: 'i32',
  },
  ({ at, next, step, weights, end, out, outStep, count }, { variable }) => {
    const [pixel, tap, weight, sum] = [variable('i32'), variable('i32'), variable('i32'), variable('v128')];
    const channels = i16x8.widen(i8x16.widen(v128.load32Zero(tap)));
    return {
      run: [
        loop(
          pixel,
          c(0),
          count,
          c(1),
          sum.set(i32x4.splat(c(1 << (PRECISION - 1)))),
          tap.set(at),
          loop(
            weight,
            weights,
            end,
            c(4),
            sum.set(i32x4.add(sum, i32x4.mul(channels, v128.load32Splat(weight)))),
            tap.set(i32.add(tap, step)),
          ),
          sum.set(i32x4.shrS(sum, c(PRECISION))),
          sum.set(i32x4.narrow(sum)),
          sum.set(i16x8.narrow(sum)),
          v128.store16(out, sum),
          v128.store8(out, sum, 2, 2),
          at.set(i32.add(at, next)),
          out.set(i32.add(out, outStep)),
        ),
      ],
    };
  },
);

const instantiate = compile([mix]);

/** Memories up to this size are used again: a new one costs a page fault for every page. */
const KEPT_BYTES = 2 ** 26;

export interface Kernel {
  /** At least as many bytes as were asked for, of any content. Valid until the next kernel is asked for. */
  readonly memory: ArrayBuffer;
  readonly mix: Mix;
}

let kept: Kernel | undefined;

/** The kernel with a memory of at least so many bytes. */
export const kernelWith = (bytes: number): Kernel => {
  if (kept !== undefined && bytes <= kept.memory.byteLength) return kept;
  const { memory, mix } = instantiate() as Exports & { readonly mix: Mix };
  growTo(memory, bytes);
  const kernel = { memory: memory.buffer, mix };
  if (bytes <= KEPT_BYTES) kept = kernel;
  return kernel;
};
