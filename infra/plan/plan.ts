/** What a configuration will take, stage by stage, before anything of it runs. */
import { windowOrder } from '../../activities/nn/training/order.ts';
import { embeddingsOf } from '../../activities/nn/models/position-ids.ts';
import type { Grid } from '../../activities/nn/models/position-ids.ts';
import type { ModelConfig } from '../../activities/nn/models/config.ts';
import { LONGEST_ROW } from '../../activities/pretrain/rows.ts';
import { caseSources, type PipelineConfig } from '../../schemas/config.ts';
import type { ResolvedCompute } from '../../schemas/config/compute.ts';
import type { Source } from '../../schemas/config/sources.ts';
import type { Assumptions } from './assumptions.ts';
import { countCases } from './count-cases.ts';
import { gbaMemory, promptsOf, sftMemory } from './memory.ts';
import type { Setting } from './memory.ts';
import { needsOf } from './needs.ts';
import { combine, total } from './quantity.ts';
import type { Quantity } from './quantity.ts';

/** One stage of a run; what does not apply is left out, what is not known is null. */
export interface PlannedStage {
  readonly step: string;
  /** Cases, traces, rows, queries or answers. */
  readonly items?: Quantity | null;
  /** Read and written, without those of images. */
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

/** A pass with its gradient costs two forward passes where weights are frozen; the reference adds one. */
const WITH_REFERENCE = 1.5;

const orNull = (quantity: Quantity | undefined): Quantity | null => quantity ?? null;
const configured = (value: number): Quantity => ({ value, from: 'config' });
const hoursOf = (tokens: Quantity | undefined, speed: Quantity | undefined): Quantity | undefined =>
  combine((count, rate) => count / rate / 3600, tokens, speed);

/** The largest square of patches that an image is reduced to. */
function largestGrid({ vision }: ModelConfig, maxPixels: number): Grid {
  const side = Math.floor(Math.sqrt(maxPixels) / (vision.patchSize * vision.mergeSize)) * vision.mergeSize;
  return { t: 1, h: side, w: side };
}

const hasImages = (source: Source): boolean =>
  source.format === 'clinic' ? source.imageShare > 0 : source.format !== 'medqa';

/** Plans a run of a configuration whose base has these shapes. */
export async function planRun(
  config: PipelineConfig,
  model: ModelConfig,
  compute: ResolvedCompute,
  assumed: Assumptions,
): Promise<PlannedStage[]> {
  const needs = needsOf(config);
  const sources = caseSources(config);
  const counts = new Map<string, Quantity | undefined>();
  for (const [name, source] of Object.entries(sources)) counts.set(name, await countCases(source));
  const taught = [sources['train'], sources['images']].filter((source) => source !== undefined);
  const grid = taught.some(hasImages) ? largestGrid(model, config.base.maxPixels) : undefined;
  const images = grid === undefined ? 0 : embeddingsOf(grid, model.vision.mergeSize);
  const setting: Setting = { config: model, compute, grid };
  const guided = (style: 'plain' | 'guided'): Quantity | undefined =>
    style === 'guided' ? assumed.tokensPerGuideline : configured(0);

  const cases = total(counts.get('train'), sources['images'] ? counts.get('images') : configured(0));
  const ways = config.synthesize.paradigms === 'all' ? 4 : 1;
  const calls = combine((n) => n * ways, cases);
  const toTeacher = combine(
    (n, question, guideline) => n * (question + guideline),
    calls,
    assumed.tokensPerQuestion,
    assumed.tokensPerGuideline,
  );
  const fromTeacher = combine(
    (n, answer) => n * Math.min(answer, config.synthesize.teacher.maxTokens),
    calls,
    assumed.tokensPerTeacherAnswer,
  );
  const filtered = combine((n, share) => Math.round(n * share), calls, assumed.keptByFilter);
  const accepted = combine((n, share) => Math.round(n * share), filtered, assumed.keptByReview);
  const training = combine((n) => Math.round(n * (1 - config.stratify.validationShare)), accepted);
  const rowTokens = total(assumed.tokensPerQuestion, guided(config.stratify.prompt), assumed.tokensPerTrace);

  const expert = (name: keyof PipelineConfig['sft']): PlannedStage => {
    const params = config.sft[name];
    // How cases fall to the specialties is known once they are classified.
    const rows = name === 'mixed' ? training : combine((n) => Math.max(1, Math.round(n / 4)), training);
    const tokens = combine((n, each) => n * each * params.epochs, rows, rowTokens);
    const order = { size: params.accumulate, epochs: params.epochs, shuffle: false, seed: 0 };
    const length = Math.round((rowTokens?.value ?? 0) + images);
    const row = { length, labels: Math.round(assumed.tokensPerTrace?.value ?? 0), images };
    return {
      step: `sft/${name}`,
      items: orNull(rows),
      tokens: orNull(tokens),
      steps: orNull(combine((n) => windowOrder(n, order).steps, rows)),
      peakMemory: { value: sftMemory(setting, params, row), from: 'predicted' },
      hours: orNull(hoursOf(tokens, assumed.trainSpeed)),
    };
  };

  const reinforcement = (): PlannedStage => {
    const { gba } = config;
    const { prompts, group } = promptsOf(gba);
    const question = total(
      assumed.tokensPerQuestion,
      gba.guidelineMode === 'none' ? configured(0) : assumed.tokensPerGuideline,
    );
    const completions = configured(gba.steps * prompts * group);
    const answer = combine((tokens) => Math.min(tokens, gba.maxNewTokens), assumed.tokensPerAnswer);
    const sampled = combine((n, each) => n * each, completions, answer);
    const trained = combine((n, asked, answered) => n * (asked + answered), completions, question, answer);
    const factor = gba.beta > 0 ? WITH_REFERENCE : 1;
    const size = { tokens: Math.round((question?.value ?? 0) + images), images };
    const { enabled: _enabled, start: _start, ...params } = gba;
    return {
      step: 'gba',
      items: completions,
      tokens: orNull(trained),
      steps: configured(gba.steps),
      peakMemory: { value: gbaMemory(setting, params, size), from: 'predicted' },
      hours: orNull(
        total(
          hoursOf(sampled, assumed.sampleSpeed),
          hoursOf(
            combine((tokens) => tokens * factor, trained),
            assumed.trainSpeed,
          ),
        ),
      ),
    };
  };

  const evaluation = (benchmark: string, count: Quantity | undefined): PlannedStage => {
    const { models, paradigms, prompt, maxNewTokens } = config.evaluate;
    const ways = prompt === 'guided' ? paradigms.length : 1;
    const answers = combine((n) => n * ways * models.length, count);
    const written = combine((n, each) => n * Math.min(each, maxNewTokens), answers, assumed.tokensPerAnswer);
    const question = total(assumed.tokensPerQuestion, guided(prompt));
    return {
      step: `evaluate/*${benchmark}`,
      items: orNull(answers),
      tokens: orNull(
        total(
          combine((n, each) => n * each, answers, question),
          written,
        ),
      ),
      hours: orNull(hoursOf(written, assumed.sampleSpeed)),
    };
  };

  const pretraining = (base: Extract<PipelineConfig['base'], { kind: 'pretrain' }>): PlannedStage => {
    const rows = configured(base.steps * base.batchSize);
    const tokens = combine((n, longest) => n * longest, rows, { value: LONGEST_ROW / 2, from: 'assumed' });
    return {
      step: 'pretrain',
      items: rows,
      tokens: orNull(tokens),
      steps: configured(base.steps),
      hours: orNull(hoursOf(tokens, assumed.trainSpeed)),
    };
  };

  return [
    ...(config.base.kind === 'pretrain' ? [pretraining(config.base)] : []),
    { step: 'classify', items: orNull(cases) },
    {
      step: 'synthesize',
      items: orNull(calls),
      calls: orNull(calls),
      tokens: orNull(total(toTeacher, fromTeacher)),
      cost: orNull(
        total(
          combine((n, price) => (n * price) / 1e6, toTeacher, assumed.priceInput),
          combine((n, price) => (n * price) / 1e6, fromTeacher, assumed.priceOutput),
        ),
      ),
    },
    { step: 'filter', items: orNull(calls) },
    {
      step: 'review',
      items: orNull(filtered),
      physicianHours: orNull(combine((n, minutes) => (n * minutes) / 60, filtered, assumed.minutesPerReview)),
    },
    { step: 'stratify', items: orNull(accepted) },
    ...needs.experts.map(expert),
    ...(needs.gba ? [reinforcement()] : []),
    ...needs.merges.map((name): PlannedStage => ({ step: `merge/${name}` })),
    evaluation('', counts.get('heldOut')),
    ...config.evaluate.benchmarks.map((name) => evaluation(`/${name}`, counts.get(`benchmark.${name}`))),
  ];
}
