import { describe, expect, it } from 'vitest';
import { gradient, NoGradientRule } from '../../../../activities/nn/ops/gradient.ts';
import type { Value } from '../../../../activities/nn/ops/node.ts';
import { Trace } from '../../../../activities/nn/ops/trace.ts';

const message = (act: (t: Trace) => unknown): string => {
  try {
    act(new Trace());
  } catch (error) {
    return (error as Error).message;
  }
  return 'nothing thrown';
};

const x = (t: Trace, ...shape: number[]): Value => t.input(`x${t.inputs.size}`, shape);

describe('a trace', () => {
  it('adds one after another, which TensorFlow’s rewriter is told to leave so: AddN adds in an order that depends on threads', () => {
    const t = new Trace();
    const [x, y, z] = ['x', 'y', 'z'].map((name) => t.input(name, [2, 3]));
    const sum = t.addAll([x!, y!, z!]);
    const additions = t.nodes.filter(({ op }) => op.startsWith('Add'));
    expect(additions.map(({ op, inputs }) => [op, inputs])).toEqual([
      ['AddV2', [x, y]],
      ['AddV2', [additions[0]!.outputs[0], z]],
    ]);
    expect(sum).toBe(additions[1]!.outputs[0]);
    for (const { attrs } of additions)
      expect(attrs['_grappler_ArithmeticOptimizer_AddOpsRewriteStage']).toEqual({ bool: true });
  });

  it.each<[string, (t: Trace) => unknown]>([
    ['AddV2: shapes [2, 3] and [4] do not broadcast', (t) => t.add(x(t, 2, 3), x(t, 4))],
    ['matmul: [2, 3] · [2, 3] do not fit', (t) => t.matmul(x(t, 2, 3), x(t, 2, 3))],
    ['matmul: [2, 3]ᵀ · [3, 2] do not fit', (t) => t.matmul(x(t, 2, 3), x(t, 3, 2), true)],
    ['matmul: [1, 2, 3] and [3, 2] are not matrices', (t) => t.matmul(x(t, 1, 2, 3), x(t, 3, 2))],
    ['batchMatmul: shapes [2] and [3] do not broadcast', (t) => t.batchMatmul(x(t, 2, 1, 1), x(t, 3, 1, 1))],
    ['reshape: [2, 3] to [4, -1]', (t) => t.reshape(x(t, 2, 3), [4, -1])],
    ['Sum: axis 2 is outside shape [2, 3]', (t) => t.sum(x(t, 2, 3), [2])],
    ['concat along 0: [2, 3], [2, 4]', (t) => t.concat([x(t, 2, 3), x(t, 2, 4)], 0)],
    ['split: [2, 6] along 1 into [2, 3]', (t) => t.split(x(t, 2, 6), [2, 3], 1)],
    ['slice: [2, 2] from [1, 0] of [2, 3]', (t) => t.slice(x(t, 2, 3), [1, 0], [2, 2])],
    ['transpose: [0, 0] of [2, 3]', (t) => t.transpose(x(t, 2, 3), [0, 0])],
    ['crossEntropy: logits [2, 5] and labels [3]', (t) => t.crossEntropy(x(t, 2, 5), t.ints([0, 1, 2]))],
    ['gather: indices are float32, not int32', (t) => t.gather(x(t, 2, 3), x(t, 1))],
    ['AddV2: float32 [2] with int32 [1]; cast one', (t) => t.add(x(t, 2), t.ints([1]))],
    ['Exp: int32 [1] is not floating point', (t) => t.exp(t.ints([1]))],
    ['where: the condition is float32, not bool', (t) => t.where(x(t, 2), x(t, 2), x(t, 2))],
    ['constant: 2 numbers for shape [3]', (t) => t.ints([1, 2], [3])],
    ['input "x" is declared twice', (t) => [t.input('x', []), t.input('x', [])]],
    [
      'variable "v" is float32 [2], asked for as float32 [3]',
      (t) => [t.variable('v', [2]), t.variable('v', [3])],
    ],
    ['assign: float32 [3] to a variable of float32 [2]', (t) => t.assign(t.variable('v', [2]), x(t, 3))],
    ['assign: Placeholder is not a variable', (t) => t.assign(x(t, 2), x(t, 2))],
    ['gradient: of a value of shape [2], not of a scalar', (t) => gradient(t, x(t, 2), [])],
  ])('says what does not fit: %s', (expected, act) => {
    expect(message(act)).toBe(expected);
  });

  it('records a small constant once', () => {
    const t = new Trace();
    expect(t.ints([1, 2])).toBe(t.ints([1, 2]));
    expect(t.ints([1, 2])).not.toBe(t.ints([1, 2], [2, 1]));
  });

  it('computes no gradient along paths that lead to frozen values only', () => {
    const t = new Trace();
    const [frozen, low, high] = [
      t.variable('frozen', [8, 8]),
      t.variable('low', [2, 8]),
      t.variable('high', [8, 2]),
    ];
    const h = t.matmul(t.input('x', [4, 8]), frozen);
    const y = t.add(t.matmul(h, frozen), t.matmul(t.matmul(h, low, false, true), high, false, true));
    const products = (): number => t.nodes.filter((node) => node.op === 'MatMul').length;
    const before = products();
    gradient(t, t.sum(y, [0, 1]), [low, high]);
    // Of `high`; of what it multiplies, which leads to `low`; of `low`.
    expect(products() - before).toBe(3);
  });

  it('stops at a stop, and gives zeros where nothing leads to a value', () => {
    const t = new Trace();
    const [a, b] = [t.variable('a', [2]), t.variable('b', [2])];
    const [ga, gb] = gradient(t, t.sum(t.mul(t.stopGradient(a), b), [0]), [a, b]);
    expect(ga?.node.op).toBe('Fill');
    expect(gb?.node.op).not.toBe('Fill');
  });

  it('names an operation that has no rule', () => {
    const t = new Trace();
    const a = t.variable('a', [2]);
    const odd = t.bitcastToBfloat16(t.ints([1, 2]));
    expect(odd.shape).toEqual([2, 2]);
    const y = t.sum(t.sigmoidGradient(a, a), [0]);
    expect(() => gradient(t, y, [a])).toThrow(NoGradientRule);
    expect(() => gradient(t, y, [a])).toThrow('no gradient rule for SigmoidGrad on the way to [2]');
  });
});
