/** From a configuration to the steps of a run: which stage, which inputs, which parameters. No step is taken here. */
import { caseSources, teacherRequest, withoutPath, type PipelineConfig } from '../schemas/config.ts';
import type { Reference } from '../schemas/reference.ts';
import type { StageName } from '../schemas/stage-name.ts';
import type { Json, StepSpec } from '../schemas/step.ts';

/** A model to evaluate: a checkpoint, and where it is not merged yet, the adapter on it, or the vector to add unrounded. */
export interface Model {
  readonly model: Reference;
  readonly adapter?: Reference;
  readonly vector?: Reference;
}

type References = Readonly<Record<string, Reference>>;

const prefixed = (prefix: string, references: References): References =>
  Object.fromEntries(Object.entries(references).map(([name, reference]) => [`${prefix}.${name}`, reference]));

/** The steps that a configuration asks for. */
export function planOf(config: PipelineConfig) {
  const spec = (
    step: string,
    stage: StageName,
    inputs: References,
    params: Record<string, unknown> = {},
    settings: Record<string, unknown> = {},
  ): StepSpec => ({
    step,
    stage,
    inputs,
    params: params as Record<string, Json>,
    settings: settings as Record<string, Json>,
    compute: config.compute,
  });
  const { teacher, shards, paradigms } = config.synthesize;
  const { model: _model, maxTokens: _maxTokens, temperature: _temperature, ...reach } = teacher;

  return {
    ingest: (name: string, source: Reference) => {
      const described = caseSources(config)[name];
      if (described === undefined) throw new Error(`the configuration has no source ${name}`);
      const split = name === 'train' || name === 'images' ? 'train' : 'test';
      return spec(`ingest/${name}`, 'ingest', { source }, { ...withoutPath(described), split });
    },
    /** Cases of several sources become one set. */
    classify: (name: string, [cases, ...more]: readonly [Reference, ...Reference[]]) =>
      spec(
        `classify/${name}`,
        'classify',
        { cases, ...Object.fromEntries(more.map((further, i) => [`cases.${i + 1}`, further])) },
        config.classify,
      ),
    pretrain: (source: Reference) => {
      const { kind: _kind, ...params } = withoutPath(config.base);
      return spec('pretrain', 'pretrain', { source }, params);
    },
    synthesize: (cases: Reference) =>
      Array.from({ length: shards }, (_, index) =>
        spec(
          `synthesize/${index}`,
          'synthesize',
          { cases },
          { paradigms, ...teacherRequest(teacher), shard: { index, count: shards } },
          reach,
        ),
      ),
    filter: (cases: Reference, traces: readonly References[]) =>
      spec(
        'filter',
        'filter',
        { cases, ...Object.fromEntries(traces.map((shard, i) => [`traces.${i}`, shard['traces']!])) },
        config.filter,
      ),
    review: (traces: Reference, decisions: Reference) => spec('review', 'review', { traces, decisions }),
    stratify: (cases: Reference, traces: Reference) =>
      spec('stratify', 'stratify', { cases, traces }, config.stratify),
    sft: (name: keyof PipelineConfig['sft'], base: Reference, data: Reference) => {
      const params = config.sft[name];
      return spec(
        `sft/${name}`,
        'sft',
        { model: base, data },
        { ...params, seed: params.seed + config.seed },
      );
    },
    merge: (
      name: 'mean' | 'mixed' | 'start' | 'final',
      base: Reference,
      adapters: References,
      vectors: References = {},
    ) => {
      const equal = Object.fromEntries(Object.keys(adapters).map((adapter) => [adapter, 1]));
      const params =
        name === 'mean' || name === 'mixed'
          ? { method: 'linear', weights: equal }
          : { ...config.merge[name], weights: config.merge[name].weights };
      return spec(
        `merge/${name}`,
        'merge',
        { base, ...prefixed('adapter', adapters), ...prefixed('start', vectors) },
        params,
      );
    },
    gba: (model: Reference, queries: Reference) => {
      const { enabled: _enabled, start: _start, ...params } = config.gba;
      return spec('gba', 'gba', { model, queries }, { ...params, seed: params.seed + config.seed });
    },
    evaluate: (name: string, { model, adapter, vector }: Model, benchmark: Reference): StepSpec => {
      const step = spec(
        `evaluate/${name}`,
        'evaluate',
        { model, benchmark, ...(adapter ? { adapter } : {}), ...(vector ? { vector } : {}) },
        {
          prompt: config.evaluate.prompt,
          paradigms: config.evaluate.paradigms,
          maxNewTokens: config.evaluate.maxNewTokens,
          batchSize: config.evaluate.batchSize,
          scorer: config.evaluate.scorer,
        },
      );
      // bfloat16 would round what the vector is there to keep.
      return vector ? { ...step, compute: { ...step.compute, dtype: 'float32', arithmetic: 'auto' } } : step;
    },
    report: (name: string, benchmark: Reference, predictions: References, beside: References) =>
      spec(
        name,
        'report',
        { benchmark, ...prefixed('predictions', predictions), ...beside },
        { scorer: config.evaluate.scorer },
      ),
  };
}
