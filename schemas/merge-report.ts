import { z } from 'zod';
import { MergeParams } from './merge-params.ts';

/** What rounding to the output type did to one tensor's update. */
export const TensorRounding = z.strictObject({
  name: z.string(),
  entries: z.int().positive(),
  /** Share of entries of the merged vector that are not 0. */
  nonZero: z.number(),
  /** Share of entries whose stored value differs from the base's. */
  changed: z.number(),
  /** ‖(stored − base) − τ‖ / ‖τ‖; 0 where τ is 0. Over 0.5 most of the update is lost to rounding. */
  relativeError: z.number(),
});
export type TensorRounding = z.infer<typeof TensorRounding>;

/** How far the next-token distributions of two ways to run the merged model lie apart, over all tokens of the prompts. */
export const LogitDifference = z.strictObject({
  /** `adapter`: base and low-rank path; `unrounded`: base + merged vector in float32; `stored`: what was written, read again. */
  from: z.enum(['adapter', 'unrounded']),
  to: z.enum(['unrounded', 'stored']),
  /** Largest difference of a logit. */
  maxAbs: z.number().nonnegative(),
  /** Mean KL divergence of `to` from `from`, nats. */
  meanKl: z.number().nonnegative(),
  /** Share of tokens after which both find the same token likeliest. */
  sameArgmax: z.number().min(0).max(1),
});
export type LogitDifference = z.infer<typeof LogitDifference>;

/** What a look at the written model's logits, computed in float32 on fixed prompts, showed. */
export const LogitAgreement = z.strictObject({
  prompts: z.int().positive(),
  tokens: z.int().positive(),
  pairs: z.array(LogitDifference).min(1),
});
export type LogitAgreement = z.infer<typeof LogitAgreement>;

const fields = {
  params: MergeParams,
  /** The merged vectors and their weights, in order. */
  vectors: z.array(z.strictObject({ name: z.string(), weight: z.number() })),
  tensors: z.array(TensorRounding),
  /** Names of tensors whose relative error is over 0.5. */
  warnings: z.array(z.string()),
};

/** As it was written before logits were compared. */
const First = z
  .strictObject({ version: z.literal(1), ...fields })
  .transform((report) => ({ ...report, version: 2 as const, agreement: null }));

/** `merge-report.json` of a merged model's folder. */
export const MergeReport = z.union([
  z.strictObject({
    version: z.literal(2),
    ...fields,
    /** null where nobody looked. */
    agreement: LogitAgreement.nullable(),
  }),
  First,
]);
export type MergeReport = z.infer<typeof MergeReport>;
