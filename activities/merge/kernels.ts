/**
 * The arithmetic of a merge on a block of entries, four float32 at a time.
 *
 * Each thread has an instance of its own; arrays lie in its memory. All lengths are counted in entries and rounded up to four,
 * so what lies behind an array's end must be room for it. Legend: V vectors, n entries, r rank, K inputs of a linear layer.
 */
import {
  define,
  f32x4,
  f64x2,
  i32,
  i32x4,
  loop,
  v128,
  when,
  type Local,
  type Scope,
  type Statement,
  type Value,
} from '../nn/wasm/assembler.ts';
import { compile, growTo, type Exports } from '../nn/wasm/compile.ts';

/** Values of the upper half of a magnitude's bits. */
export const BINS = 1 << 15;
/** Values of the lower half. */
export const LOWER_BINS = 1 << 16;
/** Ranks that one pass over a row of a product adds up. */
export const RANK_STEP = 8;

const VECTOR_BYTES = 16;
const TABLE_BYTES = 4 * BINS;
const INFINITY_BITS = 0x7f800000;

const c = i32.const;
const step = c(VECTOR_BYTES);
const ones = (bits: number): Value<'v128'> => i32x4.splat(c(bits));
const magnitude = (bits: Value<'v128'>): Value<'v128'> => v128.and(bits, ones(0x7fffffff));
const upperHalf = (bits: Value<'v128'>): Value<'v128'> => i32x4.shrU(bits, c(16));
const bytesOf = (n: Value<'i32'>): Value<'i32'> => i32.shl(n, c(2));
const sumOf = (values: readonly Value<'v128'>[]): Value<'v128'> => {
  if (values.length === 1) return values[0]!;
  const half = values.length / 2;
  return f32x4.add(sumOf(values.slice(0, half)), sumOf(values.slice(half)));
};

/** out [rows, K] = F [rows, r] · A [r, K]: eight ranks at a time, added up in pairs, then to what the row holds. */
const product = define(
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

/** 1 where x [n] holds infinity or NaN. */
const diverged = define('diverged', { x: 'i32', n: 'i32' }, ({ x, n }, { variable }) => {
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
const countUpper = define(
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
const countLower = define(
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
const trim = define(
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

/** Loops over V arrays at equal distances and their weights: `body` gets four entries of one, times its weight. */
const overVectors = (
  { variable }: Scope,
  vectors: { xs: Local<'i32'>; weights: Local<'i32'>; count: Local<'i32'>; distance: Local<'i32'> },
  i: Local<'i32'>,
) => {
  const [v, at, weight, weighted] = [variable('i32'), variable('i32'), variable('v128'), variable('v128')];
  return (body: (weighted: Value<'v128'>, weight: Value<'v128'>) => readonly Statement[]): Statement => [
    ...at.set(i32.add(vectors.xs, i)),
    ...loop(
      v,
      vectors.weights,
      i32.add(vectors.weights, bytesOf(vectors.count)),
      c(4),
      weight.set(v128.load32Splat(v)),
      weighted.set(f32x4.mul(weight, v128.load(at))),
      ...body(weighted, weight),
      at.set(i32.add(at, vectors.distance)),
    ),
  ];
};

const vectorParameters = {
  out: 'i32',
  n: 'i32',
  xs: 'i32',
  weights: 'i32',
  count: 'i32',
  distance: 'i32',
  factor: 'f32',
} as const;

/** out [n] = factor · Σ wᵢ xᵢ of V arrays x [n] that lie `distance` bytes apart. */
const weightedSum = define('weightedSum', vectorParameters, (p, scope) => {
  const [i, sum] = [scope.variable('i32'), scope.variable('v128')];
  const over = overVectors(scope, p, i);
  return {
    run: [
      loop(
        i,
        c(0),
        bytesOf(p.n),
        step,
        sum.set(ones(0)),
        over((weighted) => [sum.set(f32x4.add(sum, weighted))]),
        v128.store(i32.add(p.out, i), f32x4.mul(f32x4.splat(p.factor), sum)),
      ),
    ],
  };
});

/** out [n] = factor · the mean of those of V arrays x [n] that agree with the elected sign; 0 where none does. */
const electAndAverage = define('electAndAverage', vectorParameters, (p, scope) => {
  const { variable } = scope;
  const [i, sum, plus] = [variable('i32'), variable('v128'), variable('v128')];
  const [total, weights, agrees] = [variable('v128'), variable('v128'), variable('v128')];
  const over = overVectors(scope, p, i);
  const zero = ones(0);
  return {
    run: [
      loop(
        i,
        c(0),
        bytesOf(p.n),
        step,
        sum.set(zero),
        over((weighted) => [sum.set(f32x4.add(sum, weighted))]),
        plus.set(f32x4.ge(sum, zero)),
        total.set(zero),
        weights.set(zero),
        over((weighted, weight) => [
          agrees.set(v128.select(f32x4.gt(weighted, zero), f32x4.lt(weighted, zero), plus)),
          total.set(f32x4.add(total, v128.and(weighted, agrees))),
          weights.set(f32x4.add(weights, v128.and(weight, agrees))),
        ]),
        v128.store(
          i32.add(p.out, i),
          f32x4.mul(
            f32x4.splat(p.factor),
            v128.select(total, f32x4.div(total, weights), f32x4.eq(weights, zero)),
          ),
        ),
      ),
    ],
  };
});

/** Adds the squares of four float32 to two float64. */
const addSquares = (to: Local<'v128'>, of: Value<'v128'>): Statement[] =>
  [f64x2.promote(of), f64x2.promote(v128.high(of))].map((x) => to.set(f64x2.add(to, f64x2.mul(x, x))));

/**
 * out [n] bfloat16 = base [n] bfloat16 + tau [n] float32, rounded to nearest even. Adds to `sums`: four counts (int32) each of
 * entries of tau that are not 0 and of entries that changed, two float64 each of (out − base − tau)² and tau².
 */
const applyBfloat16 = define(
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
