/** One model's accuracy on one benchmark. */
import type { Case } from '../../schemas/case.ts';
import type { EvaluateParams } from '../../schemas/evaluate-params.ts';
import type { Prediction } from '../../schemas/prediction.ts';
import type { EvaluationReport } from '../../schemas/report.ts';
import { countedBy, sectionOf } from './aggregate.ts';
import { plainBaselines } from './baselines.ts';
import { scorersFor } from './predict.ts';

/** The report of some answers about `cases`, of which those not asked count as absent. */
export function evaluationReport(
  cases: readonly Case[],
  predictions: readonly Prediction[],
  { scorer, blind }: Pick<EvaluateParams, 'scorer' | 'blind'>,
): EvaluationReport {
  const sections = (rows: readonly Prediction[]): EvaluationReport['sections'] =>
    Object.fromEntries(
      scorersFor(scorer).map((name) => [name, sectionOf(rows.map((row) => countedBy(name, row)))]),
    );
  const main = predictions.filter((row) => blind === 'only' || !row.blind);
  const again = blind === 'only' ? [] : predictions.filter((row) => row.blind);
  const asked = new Set(main.map((row) => row.caseId));
  const askedCases = cases.filter((one) => asked.has(one.id));
  return {
    version: 1,
    kind: 'evaluation',
    benchmark: {
      cases: cases.length,
      absent: cases.length - askedCases.length,
      synthetic: cases.some((one) => one.synthetic),
      paradigms: [...new Set(main.map((row) => row.paradigm))],
    },
    scorer,
    sections: sections(main),
    imageBlind: again.length === 0 ? null : sections(again),
    baselines: plainBaselines(askedCases),
  };
}
