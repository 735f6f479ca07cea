import { z } from 'zod';

const perSecond = z.number().positive();

/** How fast a machine trained and sampled with a model, as `plan --measure` found it. */
export const SpeedProbe = z.strictObject({
  version: z.literal(1),
  measuredAt: z.iso.datetime(),
  /** Tokens of the rows trained on, and of the prompts sampled for. */
  row: z.int().positive(),
  prompt: z.int().positive(),
  /** Tokens a second. */
  train: perSecond,
  sample: perSecond,
});
export type SpeedProbe = z.infer<typeof SpeedProbe>;
