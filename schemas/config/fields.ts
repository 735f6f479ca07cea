import { z } from 'zod';

/** A count that must be at least 1. */
export const count = z.int().min(1);

/** A share of a whole, 0 to 1. */
export const share = z.number().min(0).max(1);

/** A number of steps that may be 0. */
export const steps = z.int().min(0);

/** A seed of the counter-based generators. */
export const seed = z.int().min(0).max(0xffff_ffff);

/** A size of a step that must be more than 0. */
export const rate = z.number().positive();

/** Whether a prompt names a paradigm and its guideline (`guided`) or only asks the question (`plain`). */
export const PromptStyle = z.enum(['plain', 'guided']);
