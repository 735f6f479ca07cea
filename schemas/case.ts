import { z } from 'zod';
import { Specialty } from './specialty.ts';

/** One answer option. */
export const Option = z.strictObject({ letter: z.string().regex(/^[A-Z]$/), text: z.string().min(1) });
export type Option = z.infer<typeof Option>;

/** One multiple-choice case, a row of `cases.jsonl`. `images` are paths inside the same artifact. */
export const Case = z
  .strictObject({
    version: z.literal(1),
    /** Stable across runs; the shard of a case is a prefix of this id's sha256. */
    id: z.string().min(1).max(200),
    question: z.string().min(1),
    options: z.array(Option).min(2).max(26),
    gold: z.string().regex(/^[A-Z]$/),
    images: z.array(z.string()).default([]),
    source: z.string().min(1),
    licence: z.string().min(1),
    split: z.enum(['train', 'validation', 'test']),
    /** What the source says of the patient and the field, for `classify`. */
    ageYears: z.number().nonnegative().optional(),
    topics: z.array(z.string()).default([]),
    /** Set by `classify`. */
    specialty: Specialty.optional(),
    /** Grouping fields for reports (task, modality, question type, …). */
    groups: z.record(z.string(), z.string()).default({}),
    /** May be used for training; a benchmark's cases may not. */
    mayTrain: z.boolean().default(true),
    synthetic: z.boolean().default(false),
  })
  .refine((c) => c.options.some((o) => o.letter === c.gold), {
    message: 'gold is not the letter of an option',
    path: ['gold'],
  });
export type Case = z.infer<typeof Case>;
