/** What a configuration will take, stage by stage, before anything of it runs. */
import { windowOrder } from '../../activities/nn/training/order.ts';
import { embeddingsOf } from '../../activities/nn/models/position-ids.ts';
import type { Grid } from '../../activities/nn/models/position-ids.ts';
import type { ModelConfig } from '../../activities/nn/models/config.ts';
import { LONGEST_ROW } from '../../activities/pretrain/rows.ts';
import { caseSources, type PipelineConfig } from '../../schemas/config.ts';
import type { ResolvedCompute } from '../../schemas/config/compute.ts';
import type { StageName } from '../../schemas/stage-name.ts';
import type { StepSpec } from '../../schemas/step.ts';
import type { Assumptions } from './assumptions.ts';
import type { PlannedCases } from './cases.ts';
import { gbaMemory, promptsOf, sftMemory } from './memory.ts';
import type { Setting } from './memory.ts';
import { combine, total } from './quantity.ts';
import type { Quantity } from './quantity.ts';
import { rowSizes } from './row-sizes.ts';
import { stepsOf } from './steps.ts';

/** What a stage, or one step of it, takes; what does not apply is left out, what is not known is null. */
interface Demand {
  /** Cases, traces, rows, queries or answers. */
  readonly items?: Quantity | null;
  /** Read and written, those of images among them. */
  readonly tokens?: Quantity | null;
  /** Of an optimizer. */
  readonly steps?: Quantity | null;
  /** Bytes of the process that computes. */
  readonly peakMemory?: Quantity | null;
  /** Of one machine of the assumed speeds. */
  readonly hours?: Quantity | null;
  readonly calls?: Quantity | null;
  /** In the currency of the prices. */
  readonly cost?: Quantity | null;
  readonly physicianHours?: Quantity | null;
}

export interface PlannedStage extends Demand {
  /** The step, or `*` in place of what tells several steps apart. */
  readonly step: string;
}

/** Cases of every source, by the name that the source goes by. */
export type CasesBySource = Readonly<Record<string, PlannedCases>>;

/** A pass with its gradient costs two forward passes where weights are frozen; the reference adds one. */
const WITH_REFERENCE = 1.5;

const orNull = (quantity: Quantity | undefined): Quantity | null => quantity ?? null;
const configured = (value: number): Quantity => ({ value, from: 'config' });
/** Prices are for a million tokens. */
const MILLIONTH = configured(1e-6);
const times = (...factors: readonly (Quantity | undefined)[]): Quantity | undefined =>
  combine((...values) => values.reduce((product, value) => product * value, 1), ...factors);
const hoursOf = (tokens: Quantity | undefined, speed: Quantity | undefined): Quantity | undefined =>
  combine((count, rate) => count / rate / 3600, tokens, speed);

/** The largest square of patches that an image is reduced to. */
function largestGrid({ vision }: ModelConfig, maxPixels: number): Grid {
  const side = Math.floor(Math.sqrt(maxPixels) / (vision.patchSize * vision.mergeSize)) * vision.mergeSize;
  return { t: 1, h: side, w: side };
}

/** Sources that are learned from. */
export const taughtSources = (config: PipelineConfig): readonly string[] =>
  config.sources.images ? ['train', 'images'] : ['train'];

/** The line of a plan that a step belongs to: shards, and the models that are asked one benchmark, share one. */
export const lineOf = ({ stage, step }: Pick<StepSpec, 'stage' | 'step'>): string => {
  if (stage === 'synthesize') return 'synthesize/*';
  return stage === 'evaluate' ? step.replace(/^evaluate\/[^/]+/, 'evaluate/*') : step;
};

/** Lines with their stages, each after every step whose outputs one of its own needs. */
function linesOf(steps: readonly StepSpec[]): ReadonlyMap<string, StageName> {
  const lines = new Map<string, StageName>();
  for (const step of steps) {
    lines.delete(lineOf(step));
    lines.set(lineOf(step), step.stage);
  }
  return lines;
}

/** What the lines of each stage take. */
function demandsOf(
  config: PipelineConfig,
  model: ModelConfig,
  compute: ResolvedCompute,
  cases: CasesBySource,
  assumed: Assumptions,
): Record<StageName, (line: string) => Demand> {
  const taught = taughtSources(config).flatMap((name) => cases[name] ?? []);
  const sizes = rowSizes(config, taught, assumed);
  const shown = Math.ceil(Math.max(...taught.map(({ images }) => images.value)));
  const grid = shown > 0 ? largestGrid(model, config.base.maxPixels) : undefined;
  const embeddings = grid === undefined ? 0 : shown * embeddingsOf(grid, model.vision.mergeSize);
  const setting: Setting = { config: model, compute, grid };
  /** Tokens of a row or a prompt with as many images, each as large as it may be. */
  const atMost = (tokens: Quantity | undefined): number =>
    Math.round((tokens?.value ?? 0) - (sizes.imageTokens?.value ?? 0) + embeddings);

  const learned = total(...taught.map(({ count }) => count));
  const ways = config.synthesize.paradigms === 'all' ? 4 : 1;
  const calls = combine((n) => n * ways, learned);
  const filtered = combine((n, share) => Math.round(n * share), calls, assumed.keptByFilter);
  const accepted = combine((n, share) => Math.round(n * share), filtered, assumed.keptByReview);
  const training = combine((n) => Math.round(n * (1 - config.stratify.validationShare)), accepted);

  const ingested = (line: string): Quantity | undefined => cases[line.replace(/^ingest\//, '')]?.count;
  /** The source that a line of `evaluate` or `report` is about. */
  const benchmarkOf = (line: string): PlannedCases | undefined => {
    const [, name] = /^(?:evaluate\/\*|report)\/(.+)$/.exec(line) ?? [];
    return cases[name === undefined ? 'heldOut' : `benchmark.${name}`];
  };
  const answersOf = (line: string): Quantity | undefined => {
    const { models, prompt, paradigms } = config.evaluate;
    const asked = models.length * (prompt === 'guided' ? paradigms.length : 1);
    return combine((n) => n * asked, benchmarkOf(line)?.count);
  };

  const synthesis = (): Demand => {
    const images =
      sizes.images?.value === 0 ? configured(0) : times(sizes.images, assumed.tokensPerTeacherImage);
    const request = total(assumed.tokensPerTeacherPrompt, sizes.question, images);
    const sent = times(calls, request);
    const answer = combine(
      (tokens) => Math.min(tokens, config.synthesize.teacher.maxTokens),
      assumed.tokensPerTeacherAnswer,
    );
    const received = times(calls, answer);
    return {
      items: orNull(calls),
      calls: orNull(calls),
      tokens: orNull(total(sent, received)),
      cost: orNull(
        total(times(sent, assumed.priceInput, MILLIONTH), times(received, assumed.priceOutput, MILLIONTH)),
      ),
    };
  };

  const expert = (name: keyof PipelineConfig['sft']): Demand => {
    const params = config.sft[name];
    // How cases fall to the specialties is known once they are classified.
    const rows = name === 'mixed' ? training : combine((n) => Math.max(1, Math.round(n / 4)), training);
    const tokens = times(rows, sizes.row, configured(params.epochs));
    const order = { size: params.accumulate, epochs: params.epochs, shuffle: false, seed: 0 };
    const labels = Math.round(assumed.tokensPerTrace?.value ?? 0);
    const row = { length: atMost(sizes.row), labels, images: embeddings };
    return {
      items: orNull(rows),
      tokens: orNull(tokens),
      steps: orNull(combine((n) => windowOrder(n, order).steps, rows)),
      peakMemory: { value: sftMemory(setting, params, row), from: 'predicted' },
      hours: orNull(hoursOf(tokens, assumed.trainSpeed)),
    };
  };

  const reinforcement = (): Demand => {
    const { enabled: _enabled, start: _start, ...params } = config.gba;
    const { prompts, group } = promptsOf(params);
    const completions = configured(params.steps * prompts * group);
    const answer = combine((tokens) => Math.min(tokens, params.maxNewTokens), assumed.tokensPerAnswer);
    const trained = times(completions, total(sizes.prompt, answer));
    const passes = times(trained, configured(params.beta > 0 ? WITH_REFERENCE : 1));
    const size = { tokens: atMost(sizes.prompt), images: embeddings };
    return {
      items: completions,
      tokens: orNull(trained),
      steps: configured(params.steps),
      peakMemory: { value: gbaMemory(setting, params, size), from: 'predicted' },
      hours: orNull(
        total(hoursOf(times(completions, answer), assumed.sampleSpeed), hoursOf(passes, assumed.trainSpeed)),
      ),
    };
  };

  const evaluation = (line: string): Demand => {
    const { prompt, maxNewTokens } = config.evaluate;
    const benchmark = benchmarkOf(line);
    const answers = answersOf(line);
    const answer = combine((tokens) => Math.min(tokens, maxNewTokens), assumed.tokensPerAnswer);
    const guideline = prompt === 'guided' ? assumed.tokensPerGuideline : configured(0);
    const question = total(benchmark?.question, benchmark?.imageTokens, guideline);
    return {
      items: orNull(answers),
      tokens: orNull(times(answers, total(question, answer))),
      hours: orNull(hoursOf(times(answers, answer), assumed.sampleSpeed)),
    };
  };

  const pretraining = (): Demand => {
    if (config.base.kind !== 'pretrain') return {};
    const { steps, batchSize } = config.base;
    const tokens = times(configured(steps * batchSize), { value: LONGEST_ROW / 2, from: 'assumed' });
    return {
      items: configured(steps * batchSize),
      tokens: orNull(tokens),
      steps: configured(steps),
      hours: orNull(hoursOf(tokens, assumed.trainSpeed)),
    };
  };

  return {
    ingest: (line) => ({ items: orNull(ingested(line)) }),
    pretrain: pretraining,
    classify: (line) => ({ items: orNull(line === 'classify/train' ? learned : cases['heldOut']?.count) }),
    synthesize: synthesis,
    filter: () => ({ items: orNull(calls) }),
    review: () => ({
      items: orNull(filtered),
      physicianHours: orNull(combine((n, minutes) => (n * minutes) / 60, filtered, assumed.minutesPerReview)),
    }),
    stratify: () => ({ items: orNull(accepted) }),
    sft: (line) => expert(line.replace(/^sft\//, '') as keyof PipelineConfig['sft']),
    gba: reinforcement,
    merge: () => ({}),
    evaluate: evaluation,
    report: (line) => ({ items: orNull(answersOf(line)) }),
  };
}

/** Plans a run of a configuration whose base has these shapes and whose sources have these cases. */
export async function planRun(
  config: PipelineConfig,
  model: ModelConfig,
  compute: ResolvedCompute,
  cases: CasesBySource,
  assumed: Assumptions,
): Promise<PlannedStage[]> {
  const missing = Object.keys(caseSources(config)).filter((name) => cases[name] === undefined);
  if (missing.length > 0) throw new TypeError(`nothing is said of the cases of ${missing.join(', ')}`);
  const demands = demandsOf(config, model, compute, cases, assumed);
  return [...linesOf(await stepsOf(config))].map(([line, stage]) => ({
    step: line,
    ...demands[stage](line),
  }));
}
