import { describe, expect, it } from 'vitest';
import { combine, total } from '../../../infra/plan/quantity.ts';

describe('a number of a plan', () => {
  it('is as sure as the least sure of those it is computed from', () => {
    const cases = { value: 10, from: 'config' } as const;
    expect(combine((n) => 2 * n, cases)).toEqual({ value: 20, from: 'config' });
    expect(total(cases, { value: 1, from: 'assumed' }, { value: 2, from: 'measured' })).toEqual({
      value: 13,
      from: 'assumed',
    });
  });

  it('is unknown where one of them is', () =>
    expect(total({ value: 1, from: 'config' }, undefined)).toBeUndefined());
});
