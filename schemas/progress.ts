import { z } from 'zod';

/** How far a step is: `done` of `total` in `unit`s, with the latest figures (loss, reward, tokens per second, …). */
export const Progress = z.strictObject({
  done: z.number().nonnegative(),
  total: z.number().nonnegative(),
  unit: z.string(),
  figures: z.record(z.string(), z.number()).default({}),
});
export type Progress = z.infer<typeof Progress>;
