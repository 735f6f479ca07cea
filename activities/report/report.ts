/** From every model's answers to the report that sets them side by side. */
import type { Case } from '../../schemas/case.ts';
import type { Prediction } from '../../schemas/prediction.ts';
import type {
  Baseline,
  ComparedModel,
  Comparison,
  ComparisonReport,
  CrossCell,
} from '../../schemas/report.ts';
import { cellOf, countedBy, groupedBy, sectionOf, type Counted } from '../evaluate/aggregate.ts';
import { plainBaselines } from '../evaluate/baselines.ts';
import { adjusted, compare, TESTS, type Answered } from '../evaluate/compare.ts';
import { drawCases } from '../evaluate/statistics/bootstrap.ts';
import { verdictOf } from './verdict.ts';

export interface ReportSettings {
  /** Profile of the printed table. */
  readonly scorer: string;
  readonly base: string;
  /** The model that the verdict is about; the last one where undefined. */
  readonly subject: string | undefined;
  readonly resamples: number;
  readonly seed: number;
}

export interface ReportInput {
  /** Answers by model, models in the order of the report. */
  readonly answers: ReadonlyMap<string, readonly Prediction[]>;
  readonly cases: readonly Case[];
  /** Beside those that the cases alone give. */
  readonly baselines: readonly Baseline[];
  readonly reviews: { readonly human: number; readonly rule: number };
  /** What the reader must know beyond what the answers themselves show. */
  readonly notes: readonly string[];
}

/** Answers and cases that do not belong together, or a model that is not there. */
export class BadReport extends Error {
  override readonly name = 'BadReport';
}

const answeredBy = (scorer: string, predictions: readonly Prediction[]): Answered[] =>
  predictions.map((one) => ({
    caseId: one.caseId,
    question: one.paradigm ?? 'plain',
    correct: countedBy(scorer, one).correct,
  }));

/** Sections of some answers by every scorer. */
const sectionsOf = (
  scorers: readonly string[],
  predictions: readonly Prediction[],
): ComparedModel['sections'] =>
  Object.fromEntries(
    scorers.map((scorer) => [scorer, sectionOf(predictions.map((one) => countedBy(scorer, one)))]),
  );

/** Specialty × paradigm × modality. */
function crossOf(model: string, scorer: string, counted: readonly Counted[]): CrossCell[] {
  const complete = counted.map((one) => ({
    ...one,
    groups: { specialty: 'unclassified', modality: 'text', ...one.groups },
  }));
  return groupedBy('specialty', complete).flatMap(([specialty, ofSpecialty]) =>
    groupedBy('paradigm', ofSpecialty).flatMap(([paradigm, ofParadigm]) =>
      groupedBy('modality', ofParadigm).map(([modality, rows]) => ({
        model,
        scorer,
        specialty,
        paradigm,
        modality,
        cell: cellOf(rows),
      })),
    ),
  );
}

function checkIds(input: ReportInput): void {
  const known = new Set(input.cases.map((one) => one.id));
  for (const [model, predictions] of input.answers) {
    const stray = predictions.find((one) => !known.has(one.caseId));
    if (stray)
      throw new BadReport(`${model} answered ${stray.caseId}, which is not among the benchmark's cases`);
  }
}

/** The notes that the answers call for by themselves. */
const notesOf = (input: ReportInput, synthetic: boolean): string[] => [
  ...(synthetic
    ? [
        'synthetic: drawn and invented cases; they show the machinery, not medical merit, and never stand beside the paper’s figures',
      ]
    : []),
  `${input.reviews.human} human reviews` +
    (input.reviews.rule > 0 ? `; a rule decided ${input.reviews.rule} traces in their place` : ''),
  ...input.notes,
];

export function buildReport(input: ReportInput, settings: ReportSettings): ComparisonReport {
  checkIds(input);
  const names = [...input.answers.keys()];
  const sighted = (name: string): Prediction[] => (input.answers.get(name) ?? []).filter((one) => !one.blind);
  const base = sighted(settings.base);
  if (base.length === 0)
    throw new BadReport(
      `the base ${settings.base} has no answers; there are those of ${names.join(', ') || 'no model'}`,
    );
  const scorers = [...new Set(['strict-tags', 'robust', settings.scorer])];

  // Drawn once: comparisons of as many cases share their draws.
  const drawn = new Map<number, readonly Int32Array[]>();
  const draws = (count: number): readonly Int32Array[] => {
    const found = drawn.get(count) ?? drawCases(count, settings.resamples, settings.seed);
    drawn.set(count, found);
    return found;
  };

  const others = names.filter((name) => name !== settings.base);
  const compared: [name: string, scorer: string, comparison: Comparison][] = others.flatMap((name) =>
    scorers.map((scorer) => {
      const [model, from] = [answeredBy(scorer, sighted(name)), answeredBy(scorer, base)];
      return [name, scorer, compare(model, from, draws)] as [string, string, Comparison];
    }),
  );
  const withP = adjusted(compared.map(([, , comparison]) => comparison));
  const versusBase = (name: string): Record<string, Comparison> =>
    Object.fromEntries(compared.flatMap(([of, scorer], i) => (of === name ? [[scorer, withP[i]!]] : [])));

  const models = names.map((name): ComparedModel => {
    const blind = (input.answers.get(name) ?? []).filter((one) => one.blind);
    return {
      name,
      sections: sectionsOf(scorers, sighted(name)),
      imageBlind: blind.length === 0 ? null : sectionsOf(scorers, blind),
      versusBase: name === settings.base ? null : versusBase(name),
    };
  });
  const asked = new Set(base.map((one) => one.caseId));
  const askedCases = input.cases.filter((one) => asked.has(one.id));
  const synthetic = input.cases.some((one) => one.synthetic);
  const subject = settings.subject ?? others.at(-1);
  return {
    version: 1,
    kind: 'comparison',
    benchmark: {
      cases: input.cases.length,
      absent: input.cases.length - askedCases.length,
      synthetic,
      paradigms: [...new Set(base.map((one) => one.paradigm))],
    },
    scorer: settings.scorer,
    base: settings.base,
    models,
    cross: names.flatMap((name) =>
      scorers.flatMap((scorer) =>
        crossOf(
          name,
          scorer,
          sighted(name).map((one) => countedBy(scorer, one)),
        ),
      ),
    ),
    baselines: [...plainBaselines(askedCases), ...input.baselines],
    honesty: {
      humanReviews: input.reviews.human,
      ruleReviews: input.reviews.rule,
      notes: notesOf(input, synthetic),
    },
    tests: TESTS,
    verdict:
      subject !== undefined && input.answers.has(subject)
        ? verdictOf(subject, settings.base, versusBase(subject))
        : null,
  };
}
