import { z } from 'zod';
import { Base } from './config/base.ts';
import { Classify } from './config/classify.ts';
import { Compute } from './config/compute.ts';
import { Filter, Review, Stratify } from './config/data.ts';
import { Evaluate } from './config/evaluate.ts';
import { seed } from './config/fields.ts';
import { Merge } from './config/merge.ts';
import { Sources } from './config/sources.ts';
import { Synthesize, type Teacher } from './config/synthesize.ts';
import { Gba, Sft } from './config/training.ts';

/**
 * A pipeline, whole: one section a stage, every value stated. A preset is one of these; a config file, a variant and
 * `--set` change some of its values. Nothing secret is in it.
 */
export const PipelineConfig = z.strictObject({
  version: z.literal(1),
  preset: z.string().min(1).describe('Name of the preset that the values start from'),
  seed: seed.describe('Added to the seeds of sft and gba: change it to repeat the training on the same data'),
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
});
export type PipelineConfig = z.infer<typeof PipelineConfig>;

/** What a teacher's answer depends on. How and how fast it is reached stays out of action keys. */
export type TeacherRequest = Pick<Teacher, 'model' | 'temperature' | 'maxTokens'>;

/** Drops the fields of a teacher that must not enter an action key: address, key's name, pace and retries. */
export const teacherRequest = (teacher: Teacher): TeacherRequest => ({
  model: teacher.model,
  maxTokens: teacher.maxTokens,
  ...(teacher.temperature === undefined ? {} : { temperature: teacher.temperature }),
});

/** Drops the path of a source or base, which must not enter an action key: its content does, by digest. */
export const withoutPath = <T extends { path: string }>(located: T): Omit<T, 'path'> => {
  const { path: _path, ...rest } = located;
  return rest;
};
