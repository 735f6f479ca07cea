/**
 * Two models on the same questions.
 *
 * Several paradigms ask about one case, and answers about one case are not independent: McNemar's test over answers
 * would be too sure. So a case is the unit. It counts for the model that answered more of its questions right; cases
 * that tie drop out; the test is exact and two-sided. With one question a case it is McNemar's exact test. The interval
 * of the difference is a bootstrap that draws cases.
 */
import type { Comparison } from '../../schemas/report.ts';
import { bootstrapInterval, type Cluster } from './statistics/bootstrap.ts';
import { holm } from './statistics/holm.ts';
import { mcnemarExact } from './statistics/mcnemar.ts';

/** Whether each question was answered right, by the question's key. */
export interface Answered {
  readonly caseId: string;
  /** Tells the questions about one case apart: the paradigm. */
  readonly question: string;
  readonly correct: boolean;
}

export const TESTS =
  'p: exact two-sided sign test over cases (McNemar’s where each case is asked once): a case counts for the model that ' +
  'answered more of its questions right, ties drop out. Interval of a difference: percentile bootstrap that draws ' +
  'cases. Intervals of accuracies: Wilson, 95 %, which takes answers as independent.';

/**
 * `model` minus `base` over the questions that both were asked. `draws` are those of the bootstrap for a number of cases.
 * `adjustedP` is `p` until all comparisons are known.
 */
export function compare(
  model: readonly Answered[],
  base: readonly Answered[],
  draws: (cases: number) => readonly Int32Array[],
): Comparison {
  const baseAnswers = new Map(
    base.map((answer) => [JSON.stringify([answer.caseId, answer.question]), answer.correct]),
  );
  const clusters = new Map<string, Cluster>();
  for (const { caseId, question, correct } of model) {
    const other = baseAnswers.get(JSON.stringify([caseId, question]));
    if (other === undefined) continue;
    const { sum, count } = clusters.get(caseId) ?? { sum: 0, count: 0 };
    clusters.set(caseId, { sum: sum + Number(correct) - Number(other), count: count + 1 });
  }
  const cases = [...clusters].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, cluster]) => cluster);
  const sum = cases.reduce((total, cluster) => total + cluster.sum, 0);
  const answers = cases.reduce((total, cluster) => total + cluster.count, 0);
  const better = cases.filter((cluster) => cluster.sum > 0).length;
  const worse = cases.filter((cluster) => cluster.sum < 0).length;
  const p = mcnemarExact(better, worse);
  const interval = cases.length === 0 ? { low: 0, high: 0 } : bootstrapInterval(cases, draws(cases.length));
  return {
    cases: cases.length,
    answers,
    difference: answers === 0 ? 0 : sum / answers,
    ...interval,
    better,
    worse,
    p,
    adjustedP: p,
  };
}

/** The same comparisons with p-values adjusted for all of them. */
export function adjusted(comparisons: readonly Comparison[]): Comparison[] {
  const values = holm(comparisons.map((comparison) => comparison.p));
  return comparisons.map((comparison, i) => ({ ...comparison, adjustedP: values[i]! }));
}
