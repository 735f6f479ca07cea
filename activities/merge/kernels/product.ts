/** The low-rank product. */
import { define, f32x4, i32, i32x4, loop, v128, type Value } from '../../nn/wasm/assembler.ts';
import { bytesOf, c, step } from './words.ts';

/** Ranks that one pass over a row of a product adds up. */
export const RANK_STEP = 8;

const sumOf = (values: readonly Value<'v128'>[]): Value<'v128'> => {
  if (values.length === 1) return values[0]!;
  const half = values.length / 2;
  return f32x4.add(sumOf(values.slice(0, half)), sumOf(values.slice(half)));
};

/** out [rows, K] = F [rows, r] · A [r, K]: eight ranks at a time, added up in pairs, then to what the row holds. */
export const product = define(
  'product',
  { out: 'i32', factors: 'i32', a: 'i32', rows: 'i32', rank: 'i32', inputs: 'i32' },
  ({ out, factors, a, rows, rank, inputs }, { variable }) => {
    const [row, r, k, stride, from] = [
      variable('i32'),
      variable('i32'),
      variable('i32'),
      variable('i32'),
      variable('i32'),
    ];
    const lanes = Array.from({ length: RANK_STEP }, () => ({
      factor: variable('v128'),
      at: variable('i32'),
    }));
    const zero = i32x4.splat(c(0));
    return {
      run: [
        stride.set(bytesOf(inputs)),
        loop(
          row,
          c(0),
          rows,
          c(1),
          loop(k, c(0), stride, step, v128.store(i32.add(out, k), zero)),
          from.set(a),
          loop(
            r,
            c(0),
            rank,
            c(RANK_STEP),
            ...lanes.flatMap(({ factor, at }, lane) => [
              factor.set(v128.load32Splat(factors, 4 * lane)),
              at.set(from),
              from.set(i32.add(from, stride)),
            ]),
            loop(
              k,
              c(0),
              stride,
              step,
              v128.store(
                i32.add(out, k),
                f32x4.add(
                  v128.load(i32.add(out, k)),
                  sumOf(lanes.map(({ factor, at }) => f32x4.mul(factor, v128.load(i32.add(at, k))))),
                ),
              ),
            ),
            factors.set(i32.add(factors, c(4 * RANK_STEP))),
          ),
          out.set(i32.add(out, stride)),
        ),
      ],
    };
  },
);
