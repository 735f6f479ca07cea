import { describe, expect, it } from 'vitest';
import { peakBytes } from '../../../../activities/nn/ops/live-set.ts';
import { liveNodes } from '../../../../activities/nn/ops/node.ts';
import type { Value } from '../../../../activities/nn/ops/node.ts';
import { Trace } from '../../../../activities/nn/ops/trace.ts';

const peakOf = (build: (t: Trace) => readonly Value[]): number => {
  const t = new Trace();
  const outputs = build(t);
  return peakBytes(liveNodes(t.nodes, [...outputs, ...t.inputs.values()]), outputs);
};

/** A matrix of 10 × 10 numbers in 400 bytes. */
const matrix = (t: Trace, name = 'x'): Value => t.input(name, [10, 10]);

describe('the memory of a graph', () => {
  it('is that of all values that somebody still reads', () =>
    expect(
      peakOf((t) => {
        const x = matrix(t);
        const [a, b] = [t.matmul(x, x), t.transpose(x, [1, 0])];
        return [t.matmul(a, b)];
      }),
    ).toBe(1200));

  it('gives memory back once the last reader has run', () =>
    expect(
      peakOf((t) => {
        let x = matrix(t);
        for (let i = 0; i < 5; i++) x = t.matmul(x, t.floats(new Float32Array(100), [10, 10]));
        return [x];
      }),
    ).toBe(800));

  it('holds outputs to the end', () =>
    expect(
      peakOf((t) => {
        const x = matrix(t);
        return [t.matmul(x, x), t.transpose(x, [1, 0])];
      }),
    ).toBe(1200));

  it('writes over an input that nobody else reads, and only over such a one', () => {
    expect(peakOf((t) => [t.exp(t.neg(matrix(t)))])).toBe(400);
    expect(
      peakOf((t) => {
        const x = matrix(t);
        const y = t.neg(x);
        return [t.matmul(x, y), t.exp(y)];
      }),
    ).toBe(1200);
    expect(peakOf((t) => [t.square(t.add(matrix(t), matrix(t, 'y')))])).toBe(800);
  });

  it('does not write over an input of another size', () =>
    expect(peakOf((t) => [t.add(t.input('row', [1, 10]), t.input('column', [10, 1]))])).toBe(480));

  it('counts a value once that is read in another shape', () =>
    expect(
      peakOf((t) => {
        const x = matrix(t);
        return [t.matmul(t.reshape(x, [5, 20]), t.reshape(x, [20, 5]))];
      }),
    ).toBe(500));

  it('counts neither variables nor what is written to them', () =>
    expect(
      peakOf((t) => {
        const w = t.variable('w', [10, 10]);
        const write = t.assign(w, t.matmul(w, w));
        return [t.after([write], t.input('done', [], 'int32'))];
      }),
    ).toBe(4));

  it('takes two bytes for a number of bfloat16', () =>
    expect(peakOf((t) => [t.cast(t.cast(matrix(t), 'bfloat16'), 'float32')])).toBe(600));
});
