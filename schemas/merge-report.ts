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

/** `merge-report.json` of a merged model's folder. */
export const MergeReport = z.strictObject({
  version: z.literal(1),
  params: MergeParams,
  /** The merged vectors and their weights, in order. */
  vectors: z.array(z.strictObject({ name: z.string(), weight: z.number() })),
  tensors: z.array(TensorRounding),
  /** Names of tensors whose relative error is over 0.5. */
  warnings: z.array(z.string()),
});
export type MergeReport = z.infer<typeof MergeReport>;
