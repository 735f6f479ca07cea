/** A vector added to the base, rounded, and what the rounding took. */
import {
  define,
  f32x4,
  f64x2,
  i32,
  i32x4,
  loop,
  v128,
  type Local,
  type Statement,
  type Value,
} from '../../nn/wasm/assembler.ts';
import { bytesOf, c, INFINITY_BITS, magnitude, ones, step, upperHalf, VECTOR_BYTES } from './words.ts';

/** Adds the squares of four float32 to two float64. */
const addSquares = (to: Local<'v128'>, of: Value<'v128'>): Statement[] =>
  [f64x2.promote(of), f64x2.promote(v128.high(of))].map((x) => to.set(f64x2.add(to, f64x2.mul(x, x))));

/**
 * out [n] bfloat16 = base [n] bfloat16 + tau [n] float32, rounded to nearest even. Adds to `sums`: four counts (int32) each of
 * entries of tau that are not 0 and of entries that changed, two float64 each of (out − base − tau)² and tau².
 */
export const applyBfloat16 = define(
  'applyBfloat16',
  { out: 'i32', base: 'i32', tau: 'i32', n: 'i32', sums: 'i32' },
  ({ out, base, tau, n, sums }, { variable }) => {
    const [i, before, added, bits, after] = [
      variable('i32'),
      variable('v128'),
      variable('v128'),
      variable('v128'),
      variable('v128'),
    ];
    const [nonZero, changed, errors, sizes] = [
      variable('v128'),
      variable('v128'),
      variable('v128'),
      variable('v128'),
    ];
    const rounded = upperHalf(i32x4.add(i32x4.add(bits, ones(0x7fff)), v128.and(upperHalf(bits), ones(1))));
    const quiet = v128.or(upperHalf(bits), ones(0x40));
    const totals = [nonZero, changed, errors, sizes];
    return {
      run: [
        ...totals.map((total, place) => total.set(v128.load(sums, place * VECTOR_BYTES))),
        loop(
          i,
          c(0),
          bytesOf(n),
          step,
          added.set(v128.load(i32.add(tau, i))),
          before.set(i32x4.shl(v128.load16x4(i32.add(base, i32.shrU(i, c(1)))), c(16))),
          bits.set(f32x4.add(before, added)),
          after.set(v128.select(quiet, rounded, i32x4.gtS(magnitude(bits), ones(INFINITY_BITS)))),
          v128.store64(i32.add(out, i32.shrU(i, c(1))), i32x4.narrow(after)),
          after.set(i32x4.shl(after, c(16))),
          // A comparison that holds is −1.
          nonZero.set(i32x4.sub(nonZero, f32x4.ne(added, ones(0)))),
          changed.set(i32x4.sub(changed, f32x4.ne(after, before))),
          ...addSquares(errors, f32x4.sub(f32x4.sub(after, before), added)),
          ...addSquares(sizes, added),
        ),
        ...totals.map((total, place) => v128.store(sums, total, place * VECTOR_BYTES)),
      ],
    };
  },
);
