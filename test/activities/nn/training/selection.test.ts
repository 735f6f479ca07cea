import { describe, expect, it } from 'vitest';
import { bestOf, createSelection, isStalled } from '../../../../activities/nn/training/selection.ts';
import { StateMismatch } from '../../../../activities/nn/training/state.ts';

const scores = (...values: number[]) => values.map((score, i) => ({ step: 5 * (i + 1), score }));
const settings = { validateEvery: 5, keep: 'best', patience: null, minDelta: 0 } as const;
const values = (n: number) => () => Float32Array.of(n);

describe('the best validation', () => {
  it('is the lowest, and of equals the earliest', () => {
    expect(bestOf(scores(3, 1, 2, 1))).toEqual({ step: 10, score: 1 });
    expect(bestOf([])).toBeUndefined();
  });
});

describe('a training is stalled', () => {
  it.each([
    ['after so many validations without improvement', [3, 2, 2, 2.5], true],
    ['not while there are fewer of them', [3, 2, 2], false],
    ['not where one improves in between', [3, 3.5, 2, 2.5], false],
    ['not at its first validations', [3, 4], false],
  ])('%s', (_, found, expected) => {
    expect(isStalled(scores(...found), { patience: 2, minDelta: 0 })).toBe(expected);
  });

  it('by improvements that are too small, unless they add up', () => {
    const slow = scores(3, 2.96, 2.92, 2.88);
    expect(isStalled(slow, { patience: 3, minDelta: 0.5 })).toBe(true);
    expect(isStalled(slow, { patience: 3, minDelta: 0.1 })).toBe(false);
    expect(isStalled(slow.slice(0, 3), { patience: 2, minDelta: 0.1 })).toBe(true);
  });

  it('never without patience', () => {
    expect(isStalled(scores(1, 2, 3, 4, 5), { patience: null, minDelta: 0 })).toBe(false);
  });
});

describe('a selection', () => {
  it('is due at every multiple and at the end, and never where nothing is validated', () => {
    const due = (every: number | null) => {
      const selection = createSelection(
        { ...settings, validateEvery: every, keep: 'last' },
        12,
        [],
        undefined,
      );
      return Array.from({ length: 12 }, (_, i) => i + 1).filter((step) => selection.due(step));
    };
    expect(due(5)).toEqual([5, 10, 12]);
    expect(due(100)).toEqual([12]);
    expect(due(null)).toEqual([]);
  });

  it('holds the values of the best validation and asks for no others', () => {
    const selection = createSelection(settings, 20, [], undefined);
    expect(selection.best()).toBeUndefined();
    const refused = () => {
      throw new Error('asked for');
    };
    for (const [i, { step, score }] of scores(3, 2, 2, 2.5).entries())
      selection.take({ step, score }, i < 2 ? values(i) : refused);
    expect(selection.best()).toEqual({ step: 10, score: 2, values: Float32Array.of(1) });
  });

  it('goes on from the validations and the values of a checkpoint as if nothing had been', () => {
    const selection = createSelection({ ...settings, patience: 2 }, 20, scores(2, 3), Float32Array.of(7));
    expect(selection.stalled()).toBe(false);
    selection.take({ step: 15, score: 4 }, values(9));
    expect(selection.stalled()).toBe(true);
    expect(selection.best()).toEqual({ step: 5, score: 2, values: Float32Array.of(7) });
  });

  it('refuses a checkpoint that has been validated and holds no best values, and says why', () => {
    const resume = () => createSelection(settings, 20, scores(2), undefined);
    expect(resume).toThrow(StateMismatch);
    expect(resume).toThrow('go on with keep: last');
  });

  it('holds nothing where the last adapter is kept', () => {
    const selection = createSelection({ ...settings, keep: 'last' }, 20, [], undefined);
    selection.take({ step: 5, score: 1 }, values(1));
    expect(selection.best()).toBeUndefined();
  });
});
