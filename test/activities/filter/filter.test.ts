import { describe, expect, it } from 'vitest';
import { filterTraces, rejectionOf } from '../../../activities/filter/filter.ts';
import { caseWith, traceWith } from '../_cases.ts';

const params = { dropAnswerFirst: true, dropContradictions: true };
const reasonOf = (response: string, over = {}) =>
  rejectionOf(traceWith(1, { response }), caseWith({}), { ...params, ...over });

describe('filter', () => {
  it('keeps a trace whose final answer is the gold letter', () => {
    expect(reasonOf('<think>it barks</think><answer>B</answer>')).toBeUndefined();
    expect(reasonOf(' <think>it barks</think>\n<answer> B </answer>\n')).toBeUndefined();
  });

  it('drops another letter, and never guesses at what is not a letter', () => {
    expect(reasonOf('<think>it barks</think><answer>C</answer>')).toBe('wrong-answer');
    expect(reasonOf('<think>it barks</think><answer>option B</answer>')).toBe('malformed');
    expect(reasonOf('<think>it barks</think><answer>B')).toBe('malformed');
    expect(reasonOf('<think>it barks<answer>B</answer>')).toBe('malformed');
    expect(reasonOf('<think> </think><answer>B</answer>')).toBe('malformed');
    expect(reasonOf('<think>a</think><think>b</think><answer>B</answer>')).toBe('malformed');
  });

  it('drops an answer that stands before its reasoning, unless told not to', () => {
    const response = '<answer>B</answer><think>it barks</think>';
    expect(reasonOf(response)).toBe('answer-first');
  });

  it('drops a conclusion that names another option than the letter does, unless told not to', () => {
    const response = '<think>it barks\nso gout</think><answer>B</answer>';
    expect(reasonOf(response)).toBe('contradiction');
    expect(reasonOf(response, { dropContradictions: false })).toBeUndefined();
    expect(reasonOf('<think>it barks\nso A gout</think><answer>B</answer>')).toBe('contradiction');
    expect(reasonOf('<think>it barks\nso croup</think><answer>B</answer>')).toBeUndefined();
    expect(reasonOf('<think>it barks\nso B croup</think><answer>B</answer>')).toBeUndefined();
  });

  it('drops refusals, cut answers and failed requests by what the endpoint said', () => {
    for (const [finishReason, reason] of [
      ['refusal', 'refusal'],
      ['length', 'truncated'],
      ['error', 'error'],
    ] as const)
      expect(rejectionOf(traceWith(1, { finishReason }), caseWith({}), params)).toBe(reason);
  });

  it('counts what it keeps by paradigm, specialty and modality and what it drops by reason', () => {
    const cases = [
      caseWith({ id: 'a', specialty: 'AM' }),
      caseWith({ id: 'b', specialty: 'BS', images: ['x.png'] }),
    ];
    const { kept, rejected, counts } = filterTraces(
      cases,
      [
        traceWith(1, { caseId: 'b', paradigm: 'bayesian' }),
        traceWith(2, { caseId: 'a' }),
        traceWith(3, { caseId: 'a', paradigm: 'bayesian', response: '<think>x</think><answer>A</answer>' }),
      ],
      params,
    );
    expect(kept.map(({ caseId, specialty }) => [caseId, specialty])).toEqual([
      ['a', 'AM'],
      ['b', 'BS'],
    ]);
    expect(rejected).toMatchObject([{ rejected: { by: 'filter', reason: 'wrong-answer' } }]);
    expect(counts).toEqual({
      'kept.differential': 1,
      'kept.bayesian': 1,
      'kept.AM': 1,
      'kept.BS': 1,
      'kept.text': 1,
      'kept.image': 1,
      'rejected.wrong-answer': 1,
    });
  });

  it('gives one order whatever the shards were', () => {
    const traces = [1, 2, 3, 4].map((n) =>
      traceWith(n, { caseId: n % 2 === 0 ? 'a' : 'b', paradigm: n < 3 ? 'bayesian' : 'intuitive' }),
    );
    const cases = [caseWith({ id: 'a' }), caseWith({ id: 'b' })];
    const forward = filterTraces(cases, traces, params);
    expect(filterTraces(cases, traces.toReversed(), params)).toEqual(forward);
  });

  it('names a trace that is about no case', () => {
    expect(() => filterTraces([], [traceWith(7)], params)).toThrow(/0007 is about case-1/);
  });
});
