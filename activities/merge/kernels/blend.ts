/** Several vectors made one: by their weighted sum, or by the elected sign. */
import {
  define,
  f32x4,
  i32,
  loop,
  v128,
  type Local,
  type Scope,
  type Statement,
  type Value,
} from '../../nn/wasm/assembler.ts';
import { bytesOf, c, ones, step } from './words.ts';

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
export const weightedSum = define('weightedSum', vectorParameters, (p, scope) => {
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
export const electAndAverage = define('electAndAverage', vectorParameters, (p, scope) => {
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
