import { z } from 'zod';
import { rate, seed, share } from './fields.ts';

const weight = z.number().describe('Weight of this vector');
const experts = { AM: weight, CAH: weight, BS: weight, CSI: weight };
const common = {
  density: share
    .refine((density) => density > 0, 'must be more than 0')
    .describe('Share of entries kept by trimming (ties, dare-ties)'),
  trim: z.enum(['tensor', 'global']).describe('Trim within each tensor, or across all of them (ties)'),
  lambda: rate.describe('Factor λ on the merged vector'),
  seed: seed.describe('Seed of the random drop (dare-ties)'),
};

/** What RL starts from: the four experts merged. */
export const StartMerge = z.strictObject({
  method: z.enum(['ties', 'task-arithmetic', 'linear', 'dare-ties']).describe('Algorithm of the merge'),
  ...common,
  weights: z.strictObject(experts),
});
export type StartMerge = z.infer<typeof StartMerge>;

/** The last merge: the four experts and RL (eq. 6–7). */
export const FinalMerge = z.strictObject({
  method: z
    .enum(['ties', 'task-arithmetic', 'linear', 'dare-ties', 'slerp'])
    .describe("Algorithm of the merge; slerp takes two: the experts' mean and RL"),
  ...common,
  t: share.describe("How far slerp goes from the experts' mean to RL"),
  weights: z.strictObject({ ...experts, RL: weight }),
  rlVector: z
    .enum(['total', 'delta'])
    .describe(
      "total: RL's vector counts from the base, its start included (eq. 6); delta: what RL added alone",
    ),
});
export type FinalMerge = z.infer<typeof FinalMerge>;

export const Merge = z.strictObject({ start: StartMerge, final: FinalMerge });
