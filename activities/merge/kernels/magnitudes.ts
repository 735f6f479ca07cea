/** Whether arrays are finite, and how many of their entries are how large: what trimming to the largest k is made of. */
import { define, i32, i32x4, loop, v128, when, type Statement } from '../../nn/wasm/assembler.ts';
import { bytesOf, c, INFINITY_BITS, magnitude, ones, step, upperHalf } from './words.ts';

/** Values of the upper half of a magnitude's bits. */
export const BINS = 1 << 15;
/** Values of the lower half. */
export const LOWER_BINS = 1 << 16;
const TABLE_BYTES = 4 * BINS;

/** 1 where x [n] holds infinity or NaN. */
export const diverged = define('diverged', { x: 'i32', n: 'i32' }, ({ x, n }, { variable }) => {
  const [i, most] = [variable('i32'), variable('v128')];
  return {
    run: [loop(i, x, i32.add(x, bytesOf(n)), step, most.set(i32x4.maxS(most, magnitude(v128.load(i)))))],
    result: v128.anyTrue(i32x4.gtS(most, ones(INFINITY_BITS - 1))),
  };
});

/**
 * Counts the upper halves of the magnitudes of x [n], n a multiple of 4, into four tables of `BINS` (each entry of four into
 * another, since an increment waits for the one before in the same place).
 */
export const countUpper = define(
  'countUpper',
  { x: 'i32', n: 'i32', tables: 'i32' },
  ({ x, n, tables }, { variable }) => {
    const [i, places, at] = [variable('i32'), variable('v128'), variable('i32')];
    return {
      run: [
        loop(
          i,
          x,
          i32.add(x, bytesOf(n)),
          step,
          places.set(v128.and(i32x4.shrU(v128.load(i), c(14)), ones(TABLE_BYTES - 4))),
          ...[0, 1, 2, 3].flatMap((lane) => [
            at.set(i32.add(tables, i32x4.lane(places, lane))),
            i32.store(at, i32.add(i32.load(at, lane * TABLE_BYTES), c(1)), lane * TABLE_BYTES),
          ]),
        ),
      ],
    };
  },
);

/** Counts the lower halves of those magnitudes of x [n], n a multiple of 4, whose upper half is `bin`. */
export const countLower = define(
  'countLower',
  { x: 'i32', n: 'i32', bin: 'i32', table: 'i32' },
  ({ x, n, bin, table }, { variable }) => {
    const [i, upper, at] = [variable('i32'), variable('v128'), variable('i32')];
    return {
      run: [
        loop(
          i,
          x,
          i32.add(x, bytesOf(n)),
          step,
          upper.set(upperHalf(magnitude(v128.load(i)))),
          when(
            v128.anyTrue(i32x4.eq(upper, i32x4.splat(bin))),
            [0, 1, 2, 3].map((lane) =>
              when(i32.eq(i32x4.lane(upper, lane), bin), [
                at.set(i32.add(table, i32.shl(i32.and(i32.load(i, 4 * lane), c(0xffff)), c(2)))),
                i32.store(at, i32.add(i32.load(at), c(1))),
              ]),
            ),
          ),
        ),
      ],
    };
  },
);

/** Keeps magnitudes of x [n] above `bits` and the first `ties` equal to it, makes the others 0; gives the ties left. */
export const trim = define(
  'trim',
  { x: 'i32', n: 'i32', bits: 'i32', ties: 'i32' },
  ({ x, n, bits, ties }, { variable }) => {
    const [i, values, above, own] = [variable('i32'), variable('v128'), variable('v128'), variable('i32')];
    const zero = (lane: number): Statement => i32.store(i, c(0), 4 * lane);
    return {
      run: [
        loop(
          i,
          x,
          i32.add(x, bytesOf(n)),
          step,
          values.set(v128.load(i)),
          above.set(i32x4.gtS(magnitude(values), i32x4.splat(bits))),
          when(
            v128.anyTrue(i32x4.eq(magnitude(values), i32x4.splat(bits))),
            [0, 1, 2, 3].map((lane) => [
              ...own.set(i32.and(i32.load(i, 4 * lane), c(0x7fffffff))),
              ...when(
                i32.eq(own, bits),
                [when(i32.gtS(ties, c(0)), [ties.set(i32.sub(ties, c(1)))], [zero(lane)])],
                [when(i32.gtS(bits, own), [zero(lane)])],
              ),
            ]),
            [v128.store(i, v128.and(values, above))],
          ),
        ),
      ],
      result: ties,
    };
  },
);
