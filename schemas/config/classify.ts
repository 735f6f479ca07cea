import { z } from 'zod';
import { Specialty } from '../specialty.ts';

/** One row of the table: every condition that is present must hold; of `topics`, one. */
export const ClassifyRule = z.strictObject({
  specialty: Specialty.describe('Specialty of a case that this row fits'),
  when: z
    .strictObject({
      ageYearsBelow: z.number().positive().optional().describe('The patient is younger than this, in years'),
      topics: z
        .array(z.string().min(1))
        .min(1)
        .optional()
        .describe("One of these is among the case's topics, whatever the letter case"),
    })
    .refine((when) => when.ageYearsBelow !== undefined || when.topics !== undefined, {
      message: 'needs ageYearsBelow or topics',
    }),
});
export type ClassifyRule = z.infer<typeof ClassifyRule>;

/** Case to specialty: the first row that fits decides, and later rows that fit too are counted as collisions. */
export const Classify = z.strictObject({
  rules: z.array(ClassifyRule).describe('Rows in order of precedence'),
  default: Specialty.describe('Specialty of a case that no row fits'),
});
