import { describe, expect, it } from 'vitest';
import { planGroups } from '../../../activities/gba/guidelines.ts';
import { Paradigm } from '../../../schemas/paradigm.ts';

const visits = [
  { query: 0, visit: 0 },
  { query: 1, visit: 0 },
];

describe('planGroups', () => {
  it('rotates: one paradigm a group, another for the next query and the next visit', () => {
    const [a, b] = planGroups(visits, 4, 'rotate');
    expect(new Set(a?.paradigms)).toEqual(new Set(['differential']));
    expect(b?.paradigms[0]).toBe('intuitive');
    const seen = [0, 1, 2, 3].map((visit) => planGroups([{ query: 5, visit }], 2, 'rotate')[0]?.paradigms[0]);
    expect(new Set(seen)).toEqual(new Set(Paradigm.options));
  });
  it('all: a group for each paradigm', () => {
    const groups = planGroups(visits, 2, 'all');
    expect(groups.map((g) => g.query)).toEqual([0, 0, 0, 0, 1, 1, 1, 1]);
    expect(groups.map((g) => g.paradigms[0])).toEqual([...Paradigm.options, ...Paradigm.options]);
  });
  it('mixed: one group whose rollouts are spread over the four', () => {
    const [group] = planGroups([{ query: 0, visit: 3 }], 8, 'mixed');
    expect(group?.paradigms).toEqual([...Paradigm.options, ...Paradigm.options]);
  });
  it('none: no guideline', () => {
    expect(planGroups(visits, 2, 'none').map((g) => g.paradigms)).toEqual([
      [null, null],
      [null, null],
    ]);
  });
});
