import { describe, expect, it } from 'vitest';
import { NotClassified, stratify } from '../../../activities/stratify/stratify.ts';
import { SftRow } from '../../../schemas/message.ts';
import { Specialty } from '../../../schemas/specialty.ts';
import { caseWith, traceWith } from '../_cases.ts';

const params = { validationShare: 0.1, seed: 7, prompt: 'guided' as const };
const cases = Specialty.options.flatMap((specialty) =>
  Array.from({ length: 40 }, (_, i) =>
    caseWith({ id: `${specialty}-${i}`, specialty, images: i < 10 ? [`images/${specialty}-${i}.png`] : [] }),
  ),
);
const traces = cases.flatMap(({ id }, i) => [
  traceWith(2 * i, { caseId: id, paradigm: 'differential' }),
  traceWith(2 * i + 1, { caseId: id, paradigm: 'bayesian' }),
]);
const { sets, queries } = stratify(cases, traces, params);
const caseIds = (rows: readonly SftRow[]) => new Set(rows.map(({ id }) => id!.split('/')[0]!));

describe('stratify', () => {
  it('makes four disjoint sets whose union is the set', () => {
    const own = Specialty.options.flatMap((name) => [...sets[name].train, ...sets[name].validation]);
    const ids = own.map(({ id }) => id ?? '').toSorted();
    expect(new Set(ids).size).toBe(traces.length);
    expect([...sets.union.train, ...sets.union.validation].map(({ id }) => id ?? '').toSorted()).toEqual(ids);
  });

  it('holds a tenth of the cases of each specialty and modality out, whole cases only', () => {
    for (const name of Specialty.options) {
      const held = [...caseIds(sets[name].validation)];
      expect(held).toHaveLength(4);
      expect(held.filter((id) => cases.find((one) => one.id === id)!.images.length > 0)).toHaveLength(1);
      const trained = caseIds(sets[name].train);
      expect(held.filter((id) => trained.has(id))).toEqual([]);
    }
  });

  it('asks RL the training cases only', () => {
    const held = caseIds(sets.union.validation);
    expect(queries.train).toHaveLength(cases.length - held.size);
    expect(queries.train.filter(({ id }) => held.has(id))).toEqual([]);
    expect(new Set(queries.validation.map(({ id }) => id))).toEqual(held);
  });

  it('splits the same by the same seed, and otherwise by another, and leaves out cases without a trace', () => {
    expect(stratify(cases.toReversed(), traces.toReversed(), params)).toEqual({ sets, queries });
    const other = stratify(cases, traces, { ...params, seed: 8 });
    expect(other.sets.AM.validation).not.toEqual(sets.AM.validation);
    expect(stratify(cases, traces.slice(0, 2), params).queries.train).toHaveLength(1);
  });

  it('writes rows that SFT reads: the case, guided or plain, and the response', () => {
    const row = sets.AM.train.find(({ id }) => id!.endsWith('/bayesian'))!;
    expect(SftRow.parse(row)).toEqual(row);
    expect(row.messages[1]).toEqual({ role: 'assistant', content: traceWith(0).response });
    expect(JSON.stringify(row.messages[0])).toContain('Reason by Bayes');
    const plain = stratify(cases, traces, { ...params, prompt: 'plain' }).sets.AM.train[0]!;
    expect(JSON.stringify(plain.messages[0])).not.toContain('Bayes');
  });

  it('names a case that has no specialty', () => {
    expect(() => stratify([caseWith({})], [traceWith(1)], params)).toThrow(NotClassified);
  });
});
