import { describe, expect, it } from 'vitest';
import {
  BatchOverflow,
  imageIndexOf,
  packRows,
  spreadOverLabels,
  targetsOf,
} from '../../../../activities/nn/training/rows.ts';
import type { TrainingRow } from '../../../../activities/nn/training/rows.ts';

const IMAGE = 9;
const row = (id: string, ids: number[], targets: number[]): TrainingRow => ({
  id,
  ids: Int32Array.from(ids),
  positions: Int32Array.from([0, 1, 2].flatMap((axis) => ids.map((_, i) => axis * 100 + i))),
  targets: Int32Array.from(targets),
  imageTokens: ids.filter((x) => x === IMAGE).length,
});
const rows = [row('a', [1, 9, 3], [0, 1]), row('b', [4, 9, 9, 7], [2])];
const shape = { rows: 3, length: 5, tokens: 9, labels: 4, images: 3 };

describe('rows', () => {
  it('put the place before each marked token among the targets', () => {
    expect(Array.from(targetsOf([1, 0, 1, 1, 0]))).toEqual([1, 2]);
  });

  it('lie one after another, and know their places in a padded batch', () => {
    const packed = packRows(rows, shape);
    expect(Array.from(packed.ids)).toEqual([1, 9, 3, 4, 9, 9, 7, 0, 0]);
    expect(Array.from(packed.places)).toEqual([0, 1, 2, 0, 0, 3, 4, 5, 6, 0, 0, 0, 0, 0, 0]);
    expect(Array.from(packed.tokens)).toEqual([0, 1, 2, 5, 6, 7, 8, 0, 0]);
    expect(Array.from(packed.targets)).toEqual([0, 1, 5, 0]);
    expect(Array.from(packed.labels)).toEqual([9, 3, 7, 0]);
    expect(Array.from(packed.positions.subarray(9, 18))).toEqual([100, 101, 102, 100, 101, 102, 103, 0, 0]);
    expect(Array.from(spreadOverLabels(rows, shape, [0.5, 0.25]))).toEqual([0.5, 0.5, 0.25, 0]);
  });

  it('point image tokens at the embeddings behind the batch, in order', () => {
    expect(Array.from(imageIndexOf(rows, shape, IMAGE))).toEqual([0, 9, 2, 3, 10, 11, 6, 7, 8]);
    expect(() => imageIndexOf(rows, { ...shape, images: 2 }, IMAGE)).toThrow('row b');
  });

  it.each([{ rows: 1 }, { length: 3 }, { tokens: 6 }, { labels: 2 }])(
    'that do not fit are an error that names the row: %j',
    (less) => {
      expect(() => packRows(rows, { ...shape, ...less })).toThrow(BatchOverflow);
      expect(() => packRows(rows, { ...shape, ...less })).toThrow('row b (4 tokens, 1 labels)');
    },
  );
});
