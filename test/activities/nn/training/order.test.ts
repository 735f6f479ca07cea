import { describe, expect, it } from 'vitest';
import { windowOrder } from '../../../../activities/nn/training/order.ts';

const settings = { size: 4, epochs: 3, shuffle: true, seed: 5 };
const all = (order: ReturnType<typeof windowOrder>): number[][] =>
  Array.from({ length: order.steps }, (_, i) => [...order.window(i)]);

describe('windowOrder', () => {
  it('visits every row once in each pass, the last window of a pass being smaller', () => {
    const windows = all(windowOrder(10, settings));
    expect(windows.map((w) => w.length)).toEqual([4, 4, 2, 4, 4, 2, 4, 4, 2]);
    for (const pass of [0, 1, 2]) {
      const rows = windows.slice(3 * pass, 3 * pass + 3).flat();
      expect(rows.sort((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    }
  });
  it('gives each pass another order, the same for the same seed and asked for in any order', () => {
    const windows = all(windowOrder(10, settings));
    expect(windows[0]).not.toEqual(windows[3]);
    const again = windowOrder(10, settings);
    expect([8, 0, 4].map((i) => again.window(i))).toEqual([8, 0, 4].map((i) => windows[i]));
    expect(all(windowOrder(10, { ...settings, seed: 6 }))).not.toEqual(windows);
  });
  it('keeps the order of the file without shuffling', () => {
    expect(all(windowOrder(3, { ...settings, shuffle: false, epochs: 1 }))).toEqual([[0, 1, 2]]);
  });
});
