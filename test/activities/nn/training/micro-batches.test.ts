import { describe, expect, it } from 'vitest';
import {
  BatchShapeError,
  paddingWaste,
  planShapes,
  planWindow,
} from '../../../../activities/nn/training/micro-batches.ts';

const limits = { tokens: 2048, multiple: 4, shapes: 6 };

/** Windows of lengths that spread like sentences do. */
const windows = (count: number, rows: number): number[][] => {
  let s = 7;
  const next = (): number => (s = (s * 48271) % 2147483647) / 2147483647;
  return Array.from({ length: count }, () =>
    Array.from({ length: rows }, () => Math.round(60 + 50 * ((next() + next() + next()) / 3))),
  );
};

describe('planWindow', () => {
  it('puts every row into exactly one batch that is long enough', () => {
    const shapes = [
      { rows: 4, length: 80 },
      { rows: 8, length: 112 },
    ];
    for (const window of windows(50, 8)) {
      const batches = planWindow(window, shapes);
      expect(batches.flatMap((b) => b.members).sort((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
      for (const b of batches) {
        expect(b.members.length).toBeLessThanOrEqual(b.shape.rows);
        for (const i of b.members) expect(window[i]).toBeLessThanOrEqual(b.shape.length);
      }
    }
  });
  it('is the same for equal input', () => {
    const [window = []] = windows(1, 16);
    const shapes = planShapes([window], limits);
    expect(planWindow(window, shapes)).toEqual(planWindow(window, shapes));
  });
  it('refuses a row that no shape takes', () => {
    expect(() => planWindow([100], [{ rows: 1, length: 96 }])).toThrow(BatchShapeError);
  });
  it('makes no batch of an empty window', () => expect(planWindow([], [{ rows: 1, length: 8 }])).toEqual([]));
});

describe('planShapes', () => {
  it('keeps to the number of shapes and to the tokens of a batch', () => {
    const data = windows(200, 16);
    const shapes = planShapes(data, limits);
    expect(shapes.length).toBeLessThanOrEqual(6);
    for (const s of shapes) expect(s.rows * s.length).toBeLessThanOrEqual(2048);
    expect(() => data.map((w) => planWindow(w, shapes))).not.toThrow();
  });
  it('wastes at most a tenth where windows are large, and less with more shapes', () => {
    const data = windows(100, 64);
    expect(paddingWaste(data, planShapes(data, limits))).toBeLessThan(0.1);
    const few = paddingWaste(data, planShapes(data, { ...limits, shapes: 2 }));
    expect(paddingWaste(data, planShapes(data, { ...limits, shapes: 10 }))).toBeLessThan(few);
  });
  it('gives a row longer than the limit a batch of its own', () => {
    const shapes = planShapes([[5000, 10]], limits);
    expect(planWindow([5000], shapes)[0]?.shape.rows).toBe(1);
  });
});
