import { describe, expect, it } from 'vitest';
import { caseRow } from '../../../activities/clinic/case-row.ts';
import { reasonByBank } from '../../../activities/clinic/reasoning.ts';
import { writeTrace } from '../../../activities/clinic/traces.ts';
import { applyDecisions, UndecidedTraces } from '../../../activities/review/apply-decisions.ts';
import { decideByRule } from '../../../activities/review/rule-reviewer.ts';
import { Decision } from '../../../schemas/decision.ts';
import { bank, drawCases } from '../clinic/_bank.ts';
import { traceWith } from '../_cases.ts';

const decision = (
  number: number,
  verdict: Decision['verdict'],
  kind: 'human' | 'rule' = 'rule',
): Decision => ({
  version: 1,
  trace: traceWith(number).digest,
  verdict,
  reason: verdict === 'accept' ? 'adheres' : 'skips an option',
  reviewer: { kind, id: 'r' },
});

describe('review', () => {
  it('splits traces by their decisions and says why and how many people decided', () => {
    const traces = [traceWith(1), traceWith(2), traceWith(3)];
    const { accepted, rejected, human } = applyDecisions(traces, [
      decision(2, 'reject', 'human'),
      decision(3, 'accept'),
      decision(1, 'accept'),
    ]);
    expect(accepted).toEqual([traces[0], traces[2]]);
    expect(rejected).toEqual([{ ...traces[1], rejected: { by: 'review', reason: 'skips an option' } }]);
    expect(human).toBe(1);
  });

  it('refuses traces that nobody decided, and names the first', () => {
    const decide = () => applyDecisions([traceWith(1), traceWith(2)], [decision(1, 'accept')]);
    expect(decide).toThrow(UndecidedTraces);
    expect(decide).toThrow(/1 of 2 traces have no decision, the first of them sha256:0+2/);
  });
});

describe('the rule that stands in for the doctors', () => {
  const [drawn] = drawCases('CAH', false, 1);
  const row = caseRow(bank, drawn!, 'case-1', 'train');
  const response = writeTrace('bayesian', reasonByBank(bank, drawn!));

  it('accepts what the bank itself reasons, and signs as a rule', () => {
    const decided = decideByRule(bank, row, traceWith(1, { paradigm: 'bayesian', response }));
    expect(Decision.parse(decided)).toMatchObject({ verdict: 'accept', reviewer: { kind: 'rule' } });
  });

  it('rejects a posterior that is more than one band off, and says which', () => {
    const wrong = response.replace('posterior sure', 'posterior remote');
    expect(wrong).not.toBe(response);
    const decided = decideByRule(bank, row, traceWith(1, { paradigm: 'bayesian', response: wrong }));
    expect(decided).toMatchObject({ verdict: 'reject' });
    expect(decided.reason).toMatch(/posterior remote, by the bank sure: more than one band off/);
  });
});
