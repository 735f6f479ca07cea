import { describe, expect, it } from 'vitest';
import { planBatches } from '../../../../activities/nn/training/batch-plan.ts';
import {
  BatchOverflow,
  packRows,
  spreadOverLabels,
  targetsOf,
} from '../../../../activities/nn/training/rows.ts';
import type { TrainingRow } from '../../../../activities/nn/training/rows.ts';

const row = (id: string, ids: number[], targets: number[]): TrainingRow => ({
  id,
  ids: Int32Array.from(ids),
  positions: Int32Array.from([0, 1, 2].flatMap((axis) => ids.map((_, i) => axis * 100 + i))),
  targets: Int32Array.from(targets),
  images: [],
});
const rows = [row('a', [1, 2, 3], [0, 1]), row('b', [4, 5, 6, 7], [2])];

describe('rows', () => {
  it('puts the place before each marked token among the targets', () => {
    expect(Array.from(targetsOf([1, 0, 1, 1, 0]))).toEqual([1, 2]);
  });

  it('are padded at their end, labels one after another', () => {
    const packed = packRows(rows, { rows: 3, length: 5, labels: 4 });
    expect(Array.from(packed.ids)).toEqual([1, 2, 3, 0, 0, 4, 5, 6, 7, 0, 0, 0, 0, 0, 0]);
    expect(Array.from(packed.targets)).toEqual([0, 1, 7, 0]);
    expect(Array.from(packed.labels)).toEqual([2, 3, 7, 0]);
    expect(Array.from(packed.positions.subarray(15, 30))).toEqual([
      100, 101, 102, 0, 0, 100, 101, 102, 103, 0, 0, 0, 0, 0, 0,
    ]);
    const weights = spreadOverLabels(rows, { rows: 3, length: 5, labels: 4 }, [0.5, 0.25]);
    expect(Array.from(weights)).toEqual([0.5, 0.5, 0.25, 0]);
  });

  it('that do not fit are an error that names the row', () => {
    expect(() => packRows(rows, { rows: 2, length: 3, labels: 4 })).toThrow(BatchOverflow);
    expect(() => packRows(rows, { rows: 2, length: 4, labels: 2 })).toThrow('row b (4 tokens, 1 labels)');
    expect(() => packRows(rows, { rows: 1, length: 4, labels: 8 })).toThrow('row b');
  });
});

describe('planBatches', () => {
  it('gives every shape room for the labels of each of its batches', () => {
    const windows = Array.from({ length: 40 }, (_, w) =>
      Array.from({ length: 8 }, (_, i) => ({
        length: 40 + ((w * 13 + i * 7) % 60),
        labels: 5 + ((w + i) % 30),
      })),
    );
    const plan = planBatches(windows, { tokens: 1024, shapes: 4 });
    expect(plan.shapes.length).toBeLessThanOrEqual(4);
    for (const window of windows)
      for (const { shape, members } of plan.batches(window))
        expect(members.reduce((s, m) => s + (window[m]?.labels ?? 0), 0)).toBeLessThanOrEqual(shape.labels);
  });
});
