import { z } from 'zod';
import type { PipelineConfig } from '../../schemas/config.ts';
import type { Quantity } from './quantity.ts';

const positive = z.number().positive();
const share = z.number().min(0).max(1);

/** What a configuration does not say and a plan needs; each can be given. */
const fields = {
  tokensPerQuestion: positive.describe('tokens of a case and its question, without images and guideline'),
  tokensPerGuideline: positive.describe('tokens that a guideline adds to a question'),
  tokensPerTrace: positive.describe('tokens of a trace, the labels of a row'),
  tokensPerAnswer: positive.describe('tokens of a sampled answer'),
  tokensPerTeacherAnswer: positive.describe("billed tokens of a teacher's answer, hidden reasoning included"),
  keptByFilter: share.describe('share of the traces that the filter keeps'),
  keptByReview: share.describe('share of the filtered traces that the review accepts'),
  minutesPerReview: z.number().min(0).describe('minutes of a physician for a trace'),
  priceInput: z.number().min(0).describe("price of a million of the teacher's input tokens"),
  priceOutput: z.number().min(0).describe("price of a million of the teacher's output tokens"),
  trainSpeed: positive.describe('tokens a second of training'),
  sampleSpeed: positive.describe('tokens a second of sampling'),
};

export const Given = z.strictObject(fields).partial();
export type Given = z.infer<typeof Given>;

export type Assumptions = { readonly [K in keyof Given]-?: Quantity | undefined };

/** What an assumption is, for people. */
export const describeAssumption = (name: keyof Given): string => fields[name].description ?? name;

/** A teacher's list prices in dollars for a million tokens; the scripted one of the demo costs nothing. */
const prices: Readonly<Record<string, readonly [input: number, output: number]>> = {
  'clinic-teacher': [0, 0],
  'gpt-5': [1.25, 10],
};

/** Estimates, for the synthetic clinic and for real cases: USMLE vignettes, and traces by a large model. */
const clinic = {
  tokensPerQuestion: 70,
  tokensPerGuideline: 20,
  tokensPerTrace: 35,
  tokensPerAnswer: 35,
  tokensPerTeacherAnswer: 60,
  keptByFilter: 0.78,
  keptByReview: 1,
};
const real = {
  tokensPerQuestion: 300,
  tokensPerGuideline: 120,
  tokensPerTrace: 500,
  tokensPerAnswer: 500,
  tokensPerTeacherAnswer: 1500,
  // 10K cases gave the paper 3.9K traces after both filters.
  keptByFilter: 0.65,
  keptByReview: 0.6,
};

/** The assumptions for a configuration: what is given, else what is typical of its kind of cases. */
export function assumptionsFor(config: PipelineConfig, given: Given): Assumptions {
  const [input, output] = prices[config.synthesize.teacher.model] ?? [];
  const typical: Readonly<Partial<Record<keyof Given, number | undefined>>> = {
    ...(config.sources.train.format === 'clinic' ? clinic : real),
    minutesPerReview: config.review.kind === 'rule' ? 0 : 3,
    priceInput: input,
    priceOutput: output,
  };
  const names = Object.keys(fields) as (keyof Given)[];
  return Object.fromEntries(
    names.map((name) => {
      const [own, usual] = [given[name], typical[name]];
      if (own !== undefined) return [name, { value: own, from: 'given' }];
      return [name, usual === undefined ? undefined : { value: usual, from: 'assumed' }];
    }),
  ) as Assumptions;
}
