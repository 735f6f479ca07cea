/** Stage 2 of the paper's filtering: reviewers accept or reject each trace's adherence to its paradigm. */
import type { Decision } from '../../schemas/decision.ts';
import type { Trace } from '../../schemas/trace.ts';

/** A trace that nobody decided. The message says how many there are and names the first. */
export class UndecidedTraces extends Error {
  override name = 'UndecidedTraces' as const;
}

export interface Reviewed {
  readonly accepted: readonly Trace[];
  readonly rejected: readonly Trace[];
  /** Decisions made by people. The rest were made by a rule that stands in for them. */
  readonly human: number;
}

/** Splits traces by their decisions, in order. Throws {@link UndecidedTraces}. */
export function applyDecisions(traces: readonly Trace[], decisions: readonly Decision[]): Reviewed {
  const byTrace = new Map(decisions.map((decision) => [decision.trace, decision]));
  const undecided = traces.filter(({ digest }) => !byTrace.has(digest));
  if (undecided.length > 0)
    throw new UndecidedTraces(
      `${undecided.length} of ${traces.length} traces have no decision, the first of them ${undecided[0]?.digest}`,
    );
  const accepted: Trace[] = [];
  const rejected: Trace[] = [];
  let human = 0;
  for (const trace of traces) {
    const { verdict, reason, reviewer } = byTrace.get(trace.digest)!;
    if (reviewer.kind === 'human') human++;
    if (verdict === 'accept') accepted.push(trace);
    else rejected.push({ ...trace, rejected: { by: 'review', reason } });
  }
  return { accepted, rejected, human };
}
