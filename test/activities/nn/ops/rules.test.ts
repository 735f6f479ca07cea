import { beforeAll, describe, expect, it } from 'vitest';
import { rules } from '../../../../activities/nn/ops/rules.ts';
import { Trace } from '../../../../activities/nn/ops/trace.ts';
import { expectAllClose } from '../../../_allclose.ts';
import { gradients } from './_numeric.ts';
import type { Case } from './_numeric.ts';

const positive = [0.5, 2] as const;
const apart = (t: Trace): ReturnType<Trace['floats']> => t.floats([0, 2, -2, 4, -4, 6], [2, 3]);

const cases: readonly Case[] = [
  { name: 'AddV2 with broadcasting', shapes: [[2, 3], [3]], f: (t, x, y) => t.square(t.add(x, y)) },
  { name: 'AddV2 of one value twice', shapes: [[2, 3]], f: (t, x) => t.mul(t.add(x, x), x) },
  {
    name: 'Sub with broadcasting',
    shapes: [
      [2, 1],
      [2, 3],
    ],
    f: (t, x, y) => t.square(t.sub(x, y)),
  },
  { name: 'Mul with broadcasting', shapes: [[2, 3], []], f: (t, x, y) => t.mul(x, y) },
  {
    name: 'RealDiv with broadcasting',
    shapes: [
      [2, 3],
      [2, 1],
    ],
    f: (t, x, y) => t.div(x, y),
    range: positive,
  },
  {
    name: 'Minimum',
    shapes: [[2, 3]],
    f: (t, x) => t.minimum(t.mul(x, x), t.add(x, apart(t))),
    range: [0.2, 0.8],
  },
  {
    name: 'Maximum',
    shapes: [[2, 3]],
    f: (t, x) => t.maximum(t.mul(x, x), t.add(x, apart(t))),
    range: [0.2, 0.8],
  },
  {
    name: 'BiasAdd',
    shapes: [[2, 3], [3]],
    f: (t, x, y) => t.square(t.biasAdd(x, y)),
  },
  { name: 'addAll', shapes: [[2, 3]], f: (t, x) => t.addAll([x, t.square(x), t.exp(x)]) },
  { name: 'Neg', shapes: [[3]], f: (t, x) => t.neg(t.square(x)) },
  { name: 'Square', shapes: [[3]], f: (t, x) => t.square(x) },
  { name: 'Sqrt', shapes: [[3]], f: (t, x) => t.sqrt(x), range: positive },
  { name: 'Rsqrt', shapes: [[3]], f: (t, x) => t.rsqrt(x), range: positive },
  { name: 'Exp', shapes: [[3]], f: (t, x) => t.exp(x) },
  { name: 'Log', shapes: [[3]], f: (t, x) => t.log(x), range: positive },
  { name: 'Sigmoid', shapes: [[3]], f: (t, x) => t.sigmoid(x) },
  { name: 'Cos', shapes: [[3]], f: (t, x) => t.cos(x) },
  { name: 'Sin', shapes: [[3]], f: (t, x) => t.sin(x) },
  { name: 'Tanh', shapes: [[3]], f: (t, x) => t.tanh(x) },
  { name: 'Erf', shapes: [[3]], f: (t, x) => t.erf(x) },
  { name: 'Identity', shapes: [[3]], f: (t, x) => t.square(t.after([], x)) },
  {
    name: 'SelectV2',
    shapes: [[2, 3], [3]],
    f: (t, x, y) => t.where(t.less(apart(t), t.scalar(1)), t.square(x), y),
  },
  ...[false, true].flatMap((tx) =>
    [false, true].flatMap((ty): Case[] => [
      {
        name: `MatMul ${tx ? 'transposed' : 'plain'} by ${ty ? 'transposed' : 'plain'}`,
        shapes: [tx ? [3, 2] : [2, 3], ty ? [4, 3] : [3, 4]],
        f: (t, x, y) => t.matmul(x, y, tx, ty),
      },
      {
        name: `BatchMatMulV2 ${tx ? 'transposed' : 'plain'} by ${ty ? 'transposed' : 'plain'}, batch broadcast`,
        shapes: [tx ? [2, 3, 2] : [2, 2, 3], ty ? [1, 4, 3] : [1, 3, 4]],
        f: (t, x, y) => t.batchMatmul(x, y, tx, ty),
      },
    ]),
  ),
  { name: 'Sum over some axes', shapes: [[2, 3, 2]], f: (t, x) => t.square(t.sum(x, [0, -1])) },
  { name: 'Sum kept, met by a full cotangent', shapes: [[2, 3]], f: (t, x) => t.mul(t.sum(x, [1], true), x) },
  {
    name: 'Mean',
    shapes: [[2, 3]],
    f: (t, x) => t.add(t.square(t.mean(x, [1], true)), t.mean(t.square(x), [0, 1])),
  },
  { name: 'Max', shapes: [[2, 3]], f: (t, x) => t.square(t.max(t.add(x, apart(t)), [1])), range: [0, 1] },
  { name: 'Cumsum', shapes: [[2, 4]], f: (t, x) => t.square(t.cumsum(x, 1, true)) },
  { name: 'Softmax', shapes: [[2, 4]], f: (t, x) => t.softmax(x) },
  { name: 'LogSoftmax', shapes: [[2, 4]], f: (t, x) => t.logSoftmax(x) },
  {
    name: 'the pullback of cross-entropy',
    shapes: [[2, 4]],
    f: (t, x) => t.crossEntropy(x, t.ints([3, 1])),
  },
  { name: 'Reshape', shapes: [[2, 3]], f: (t, x) => t.square(t.reshape(x, [3, -1])) },
  { name: 'ReverseV2', shapes: [[2, 5]], f: (t, x) => t.square(t.reverse(t.mul(x, x), 1)) },
  {
    name: 'Mul of a value by its sigmoid',
    shapes: [[2, 3]],
    f: (t, x) => t.mul(t.square(x), t.sigmoid(t.square(x))),
  },
  { name: 'Transpose', shapes: [[2, 3, 2]], f: (t, x) => t.square(t.transpose(x, [2, 0, 1])) },
  {
    name: 'ConcatV2',
    shapes: [
      [2, 3],
      [2, 1],
    ],
    f: (t, x, y) => t.square(t.concat([x, y, x], 1)),
  },
  {
    name: 'SplitV of which a part is unused',
    shapes: [[2, 6]],
    f: (t, x) => {
      const [a, , c] = t.split(x, [1, 2, 3], 1);
      return t.mul(a ?? x, c ?? x);
    },
  },
  { name: 'Slice', shapes: [[3, 4]], f: (t, x) => t.square(t.slice(x, [1, 0], [2, 3])) },
  {
    name: 'Pad',
    shapes: [[2, 3]],
    f: (t, x) =>
      t.square(
        t.pad(x, [
          [1, 0],
          [0, 2],
        ]),
      ),
  },
  { name: 'BroadcastTo', shapes: [[3, 1]], f: (t, x) => t.square(t.broadcastTo(x, [2, 3, 2])) },
  {
    name: 'GatherV2 with repeated rows',
    shapes: [[4, 2]],
    f: (t, x) => t.square(t.gather(x, t.ints([1, 3, 1, 0], [2, 2]))),
  },
  {
    name: 'UnsortedSegmentSum',
    shapes: [[3, 2]],
    f: (t, x) => t.square(t.scatterAdd(x, t.ints([1, 1, 3]), 4)),
  },
];

describe('gradient rules against finite differences', () => {
  let found: Awaited<ReturnType<typeof gradients>>;
  beforeAll(async () => {
    found = await gradients(cases);
  });

  it.each(cases.map(({ name }, index) => ({ name, index })))('$name', ({ index, name }) => {
    const result = found[index];
    if (result === undefined) throw new Error('no result');
    expectAllClose(result.analytic, result.numeric, { rtol: 2e-3, atol: 1e-3 }, name);
  });

  it('every rule but the cast has a case, and every case of a rule goes through it', () => {
    const seen = new Set<string>();
    for (const { shapes, f } of cases) {
      const t = new Trace();
      f(t, ...shapes.map((shape, i) => t.input(`x${i}`, shape)));
      for (const node of t.nodes) seen.add(node.op);
    }
    expect(Object.keys(rules).filter((op) => !seen.has(op))).toEqual(['Cast']);
  });
});
