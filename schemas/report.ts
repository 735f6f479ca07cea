import { z } from 'zod';
import { Paradigm } from './paradigm.ts';

const share = z.number().min(0).max(1);
const count = z.int().nonnegative();

/** Accuracy of some answers with Wilson's 95 % interval. */
export const Cell = z.strictObject({
  answers: count,
  right: count,
  /** 0 where there are no answers. */
  accuracy: share,
  low: share,
  high: share,
  /** Answers that no letter could be read from, truncated ones among them. They count as wrong. */
  unparsed: count,
  truncated: count,
});
export type Cell = z.infer<typeof Cell>;

/** Answers in total and by the values of each grouping field. */
export const Section = z.strictObject({
  overall: Cell,
  groups: z.record(z.string(), z.record(z.string(), Cell)),
  /** Mean of the accuracies of a field's values, each value counting the same. */
  macro: z.record(z.string(), share),
});
export type Section = z.infer<typeof Section>;

/** What could be had without the model. */
export const Baseline = z.strictObject({
  name: z.string(),
  about: z.string(),
  overall: share,
  groups: z.record(z.string(), z.record(z.string(), share)),
});
export type Baseline = z.infer<typeof Baseline>;

/** What was asked. */
export const BenchmarkFacts = z.strictObject({
  cases: count,
  /** Cases of which an image file is not there: they were not asked and count neither right nor wrong. */
  absent: count,
  synthetic: z.boolean(),
  paradigms: z.array(Paradigm.nullable()),
});

/** One model on one benchmark, `report.json` of `evaluate`. Sections are by scorer profile. */
export const EvaluationReport = z.strictObject({
  version: z.literal(1),
  kind: z.literal('evaluation'),
  benchmark: BenchmarkFacts,
  scorer: z.string(),
  sections: z.record(z.string(), Section),
  /** Image cases asked again without their images. */
  imageBlind: z.record(z.string(), Section).nullable(),
  baselines: z.array(Baseline),
  /** Asked of base + factor · vector in float32, not of weights as they are stored; absent: of these. */
  unrounded: z.strictObject({ factor: z.number() }).optional(),
});
export type EvaluationReport = z.infer<typeof EvaluationReport>;

/** A model against the base on the same questions. */
export const Comparison = z.strictObject({
  cases: count,
  answers: count,
  /** Accuracy minus the base's, with the 95 % interval of a bootstrap over cases. */
  difference: z.number(),
  low: z.number(),
  high: z.number(),
  /** Cases of which the model answered more, or fewer, questions right than the base; the rest tie. */
  better: count,
  worse: count,
  /** Exact two-sided test of better against worse: McNemar's where each case is asked once. */
  p: share,
  /** The same, adjusted for all comparisons of the report (Holm). */
  adjustedP: share,
});
export type Comparison = z.infer<typeof Comparison>;

export const ComparedModel = z.strictObject({
  name: z.string(),
  sections: z.record(z.string(), Section),
  imageBlind: z.record(z.string(), Section).nullable(),
  /** By scorer profile; null for the base itself. */
  versusBase: z.record(z.string(), Comparison).nullable(),
});
export type ComparedModel = z.infer<typeof ComparedModel>;

/** One cell of model × specialty × paradigm × modality. */
export const CrossCell = z.strictObject({
  model: z.string(),
  scorer: z.string(),
  specialty: z.string(),
  paradigm: z.string(),
  modality: z.string(),
  cell: Cell,
});
export type CrossCell = z.infer<typeof CrossCell>;

/** Several models on one benchmark, `report.json` of `report`. */
export const ComparisonReport = z.strictObject({
  version: z.literal(1),
  kind: z.literal('comparison'),
  benchmark: BenchmarkFacts,
  /** Profile that the printed table uses; sections hold all. */
  scorer: z.string(),
  base: z.string(),
  models: z.array(ComparedModel).min(1),
  cross: z.array(CrossCell),
  baselines: z.array(Baseline),
  /** What a reader must know to take the figures for no more than they are. */
  honesty: z.strictObject({ humanReviews: count, ruleReviews: count, notes: z.array(z.string()) }),
  tests: z.string(),
  verdict: z.strictObject({ model: z.string(), beats: z.boolean(), sentence: z.string() }).nullable(),
});
export type ComparisonReport = z.infer<typeof ComparisonReport>;

/** What a `report.json` holds. */
export const Report = z.discriminatedUnion('kind', [EvaluationReport, ComparisonReport]);
export type Report = z.infer<typeof Report>;
