import { z } from 'zod';
import type { PipelineConfig } from '../../schemas/config.ts';
import type { Quantity } from './quantity.ts';

const positive = z.number().positive();
const share = z.number().min(0).max(1);
const notNegative = z.number().min(0);

/** Of the cases of every source; what is not given is known or assumed for each source by itself. */
const ofCases = {
  tokensPerQuestion: positive.describe('tokens of a case and its question, without images and guideline'),
  imagesPerCase: notNegative.describe('images of a case, on average'),
  imageWidth: positive.describe('width of an image in pixels, before it is reduced to base.maxPixels'),
  imageHeight: positive.describe('height of an image in pixels'),
};

/** Of the run. */
const ofRun = {
  tokensPerGuideline: positive.describe('tokens that a guideline adds to a question'),
  tokensPerTrace: positive.describe('tokens of a trace, the labels of a row'),
  tokensPerAnswer: positive.describe('tokens of a sampled answer'),
  tokensPerTeacherPrompt: positive.describe('tokens of a paradigm as the teacher is told it'),
  tokensPerTeacherImage: notNegative.describe('tokens that the teacher bills for an image'),
  tokensPerTeacherAnswer: positive.describe("billed tokens of a teacher's answer, hidden reasoning included"),
  keptByFilter: share.describe('share of the traces that the filter keeps'),
  keptByReview: share.describe('share of the filtered traces that the review accepts'),
  minutesPerReview: notNegative.describe('minutes of a physician for a trace'),
  priceInput: notNegative.describe("price of a million of the teacher's input tokens"),
  priceOutput: notNegative.describe("price of a million of the teacher's output tokens"),
  trainSpeed: positive.describe('tokens a second of training'),
  sampleSpeed: positive.describe('tokens a second of sampling'),
};

/** What a configuration does not say and a plan needs; each can be given. */
const fields = { ...ofCases, ...ofRun };

export const Given = z.strictObject(fields).partial();
export type Given = z.infer<typeof Given>;

export type Assumptions = { readonly [K in keyof typeof ofRun]: Quantity | undefined };

/** What an assumption is, for people. */
export const describeAssumption = (name: keyof Given): string => fields[name].description ?? name;

type Typical = Readonly<
  Partial<Record<keyof Assumptions, readonly [value: number, source: string] | undefined>>
>;

const LIST_PRICE = "OpenAI's list price of GPT-5; its Batch API takes half";
const SCRIPTED = 'the scripted teacher of the demo';

/** A teacher's prices in dollars for a million tokens, and what it bills for an image. */
const teachers: Readonly<Record<string, Typical>> = {
  'clinic-teacher': {
    priceInput: [0, SCRIPTED],
    priceOutput: [0, SCRIPTED],
    tokensPerTeacherImage: [0, SCRIPTED],
  },
  'gpt-5': {
    priceInput: [1.25, LIST_PRICE],
    priceOutput: [10, LIST_PRICE],
    tokensPerTeacherImage: [
      630,
      "OpenAI's vision guide: 70 and 140 for each of the 4 tiles of an image of 1024 × 768",
    ],
  },
};

const CLINIC = 'an estimate for the synthetic clinic';
const clinic: Typical = {
  tokensPerGuideline: [20, CLINIC],
  tokensPerTrace: [35, CLINIC],
  tokensPerAnswer: [35, CLINIC],
  tokensPerTeacherPrompt: [20, CLINIC],
  tokensPerTeacherAnswer: [60, CLINIC],
  keptByFilter: [0.78, 'the demo kept 1,502 of 1,920 traces'],
  keptByReview: [1, 'an estimate: the rule accepts what names its paradigm'],
};

const KEPT = 'an estimate; together with the other filter 0.39, since 10K cases gave the paper 3.9K traces';
const real: Typical = {
  tokensPerGuideline: [32, "mean of this project's four guidelines in Qwen2-VL's tokens"],
  tokensPerTrace: [500, "an estimate: half of the 1,024 new tokens that the paper's RL allows"],
  tokensPerAnswer: [500, 'an estimate: as long as a trace'],
  tokensPerTeacherPrompt: [151, "mean of activities/synthesize/prompts in Qwen2-VL's tokens"],
  tokensPerTeacherAnswer: [1500, 'an estimate: a trace and twice as much hidden reasoning'],
  keptByFilter: [0.65, KEPT],
  keptByReview: [0.6, KEPT],
};

/** Of people; a rule takes none of their time. */
const minutes = (kind: PipelineConfig['review']['kind']): readonly [number, string] =>
  kind === 'rule'
    ? [0, 'decided by rule']
    : [
        3,
        'an estimate: question and trace are some 570 words, 2.4 min at the 238 words a minute of silent reading (Brysbaert 2019), and a decision',
      ];

/** The assumptions for a configuration: what is given, else what is typical of its kind of cases. */
export function assumptionsFor(config: PipelineConfig, given: Given): Assumptions {
  const typical: Typical = {
    ...(config.sources.train.format === 'clinic' ? clinic : real),
    minutesPerReview: minutes(config.review.kind),
    ...teachers[config.synthesize.teacher.model],
  };
  const names = Object.keys(ofRun) as (keyof Assumptions)[];
  return Object.fromEntries(
    names.map((name): [string, Quantity | undefined] => {
      const [own, usual] = [given[name], typical[name]];
      if (own !== undefined) return [name, { value: own, from: 'given' }];
      return [name, usual && { value: usual[0], from: 'assumed', note: usual[1] }];
    }),
  ) as Assumptions;
}
