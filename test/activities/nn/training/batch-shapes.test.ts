import { describe, expect, it } from 'vitest';
import {
  BatchShapeError,
  paddingWaste,
  planShapes,
  planWindow,
  shapeOf,
} from '../../../../activities/nn/training/batch-shapes.ts';
import type { RowSize } from '../../../../activities/nn/training/batch-shapes.ts';

const PAIR = 0.005;
const limits = { tokens: 2048, shapes: 4, pairCost: PAIR };

const row = (length: number): RowSize => ({ length, labels: 10, images: 0 });

/** Windows of lengths that spread like sentences do; every fifth row has an image. */
const windows = (count: number, rows: number): RowSize[][] => {
  let s = 7;
  const next = (): number => (s = (s * 48271) % 2147483647) / 2147483647;
  return Array.from({ length: count }, () =>
    Array.from({ length: rows }, (_, i) => {
      const length = Math.round(60 + 50 * ((next() + next() + next()) / 3));
      return { length, labels: length - 30, images: i % 5 === 0 ? 4 : 0 };
    }),
  );
};

describe('planWindow', () => {
  it('puts every row into exactly one batch with room for all it holds', () => {
    const data = windows(60, 16);
    const shapes = planShapes(data, limits);
    for (const window of data) {
      const batches = planWindow(window, shapes, PAIR);
      const members = batches.flatMap((b) => b.members);
      expect(members.sort((a, b) => a - b)).toEqual(window.map((_, i) => i));
      for (const { shape, members } of batches) {
        const total = (key: keyof RowSize) => members.reduce((sum, m) => sum + window[m]![key], 0);
        expect(members.length).toBeLessThanOrEqual(shape.rows);
        expect(total('length')).toBeLessThanOrEqual(shape.tokens);
        expect(total('labels')).toBeLessThanOrEqual(shape.labels);
        expect(total('images')).toBeLessThanOrEqual(shape.images);
        for (const m of members) expect(window[m]!.length).toBeLessThanOrEqual(shape.length);
      }
    }
  });
  it('is the same for equal input', () => {
    const data = windows(5, 16);
    const shapes = planShapes(data, limits);
    expect(planShapes(windows(5, 16), limits)).toEqual(shapes);
    expect(planWindow(data[0]!, shapes, PAIR)).toEqual(planWindow(data[0]!, shapes, PAIR));
  });
  it('keeps a long row from those that are short, where attention is dear', () => {
    const window = [row(50), row(900), row(50), row(50)];
    const shapes = planShapes([window], { ...limits, tokens: 4096 });
    expect(planWindow(window, shapes, PAIR).map((b) => b.members)).toEqual([[0, 2, 3], [1]]);
  });
  it('refuses a row that no shape takes', () => {
    const shape = shapeOf([{ length: 96, labels: 8, images: 0 }]);
    const plan = (row: RowSize) => () => planWindow([row], [shape], PAIR);
    expect(plan({ length: 97, labels: 8, images: 0 })).toThrow(BatchShapeError);
    expect(plan({ length: 96, labels: 8, images: 1 })).toThrow('1 image tokens');
  });
  it('makes no batch of an empty window', () => expect(planWindow([], [], PAIR)).toEqual([]));
});

describe('planShapes', () => {
  it('keeps to the number of shapes and to the tokens of a batch', () => {
    const shapes = planShapes(windows(200, 64), limits);
    expect(shapes.length).toBeLessThanOrEqual(4);
    for (const s of shapes) expect(s.tokens).toBeLessThanOrEqual(2048);
  });
  it.each([8, 16, 64])('wastes at most a tenth of the tokens, with windows of %d rows', (rows) => {
    const data = windows(150, rows);
    expect(paddingWaste(data, planShapes(data, limits), PAIR)).toBeLessThan(0.1);
  });
  it('names no shape twice where all windows are alike', () => {
    const window = windows(1, 4)[0]!;
    expect(planShapes([window, window, window], limits)).toHaveLength(1);
  });
  it('gives a row longer than the limit a batch of its own', () => {
    const data = [
      [
        { length: 5000, labels: 10, images: 0 },
        { length: 10, labels: 5, images: 0 },
      ],
    ];
    const shapes = planShapes(data, limits);
    expect(planWindow(data[0]!, shapes, PAIR).map((b) => b.members)).toEqual([[1], [0]]);
  });
});
