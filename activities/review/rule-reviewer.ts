/** The rule that stands in for the doctors in the demo: it recomputes each trace from the bank. */
import type { Case } from '../../schemas/case.ts';
import type { Decision } from '../../schemas/decision.ts';
import type { Trace } from '../../schemas/trace.ts';
import { findFault } from '../clinic/adherence.ts';
import type { Bank } from '../clinic/bank.ts';
import { evidenceOf } from '../clinic/case-row.ts';

const REVIEWER = { kind: 'rule', id: 'clinic-bank' } as const;

/** Accepts a trace that argues as its paradigm demands and by what the bank says; rejects others with the fault found. */
export function decideByRule(bank: Bank, one: Case, trace: Trace): Decision {
  const fault = findFault(bank, evidenceOf(bank, one), trace.paradigm, trace.response);
  return {
    version: 1,
    trace: trace.digest,
    verdict: fault === undefined ? 'accept' : 'reject',
    reason: fault ?? 'adheres to its paradigm',
    reviewer: REVIEWER,
  };
}
