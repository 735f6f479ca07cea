import { z } from 'zod';
import { Base } from './config/base.ts';
import { Classify } from './config/classify.ts';
import { Compute } from './config/compute.ts';
import { Filter, Review, Stratify } from './config/data.ts';
import { Evaluate } from './config/evaluate.ts';
import { seed } from './config/fields.ts';
import { Merge } from './config/merge.ts';
import { Sources, type Source } from './config/sources.ts';
import { Synthesize, type Teacher } from './config/synthesize.ts';
import { Gba, Sft } from './config/training.ts';

/**
 * A pipeline, whole: one section a stage, every value stated. A preset is one of these; a config file, a variant and
 * `--set` change some of its values. Nothing secret is in it.
 */
export const PipelineConfig = z
  .strictObject({
    version: z.literal(1),
    preset: z.string().min(1).describe('Name of the preset that the values start from'),
    seed: seed.describe(
      'Added to the seeds of sft and gba: change it to repeat the training on the same data',
    ),
    sources: Sources,
    base: Base,
    classify: Classify,
    synthesize: Synthesize,
    filter: Filter,
    review: Review,
    stratify: Stratify,
    sft: Sft,
    gba: Gba,
    merge: Merge,
    evaluate: Evaluate,
    compute: Compute,
  })
  .superRefine((config, context) => {
    const issue = (path: string[], message: string): void =>
      context.addIssue({ code: 'custom', path, message });
    for (const name of config.evaluate.benchmarks) {
      if (!Object.hasOwn(config.sources.benchmarks, name)) {
        issue(['evaluate', 'benchmarks'], `names ${name}, which sources.benchmarks does not have`);
      }
    }
    if (!config.gba.enabled && config.evaluate.models.includes('gba')) {
      issue(['evaluate', 'models'], 'names gba, but gba.enabled is false');
    }
    if (!config.gba.enabled && config.merge.final.method === 'slerp') {
      issue(['merge', 'final', 'method'], 'slerp needs the RL vector, but gba.enabled is false');
    }
  });
export type PipelineConfig = z.infer<typeof PipelineConfig>;

/** The part of a teacher that its answers depend on, and with it the action key. */
export const teacherRequest = (teacher: Teacher): Pick<Teacher, 'model' | 'temperature' | 'maxTokens'> => ({
  model: teacher.model,
  maxTokens: teacher.maxTokens,
  ...(teacher.temperature === undefined ? {} : { temperature: teacher.temperature }),
});

/** Drops the path of a source or base, which enters no action key: its content does, by digest. */
export const withoutPath = <T extends { path: string }>(located: T): Omit<T, 'path'> => {
  const { path: _path, ...rest } = located;
  return rest;
};

/** Every source of cases by the name that its steps and its artifact go by: `train`, `images`, `heldOut`, `benchmark.NAME`. */
export const caseSources = ({ sources, evaluate }: PipelineConfig): Readonly<Record<string, Source>> => ({
  train: sources.train,
  heldOut: sources.heldOut,
  ...(sources.images ? { images: sources.images } : {}),
  ...Object.fromEntries(
    Object.entries(sources.benchmarks)
      .filter(([name]) => evaluate.benchmarks.includes(name))
      .map(([name, source]) => [`benchmark.${name}`, source]),
  ),
});
