import { z } from 'zod';

export const MergeMethod = z.enum(['ties', 'task-arithmetic', 'linear', 'slerp', 'dare-ties']);
export type MergeMethod = z.infer<typeof MergeMethod>;

/** How task vectors become one model: parameters of the stage `merge`. */
export const MergeParams = z.strictObject({
  method: MergeMethod.default('ties'),
  /** Share of entries that trimming (ties) or dropping (dare-ties) keeps. */
  density: z.number().positive().max(1).default(0.2),
  /** Trim within each tensor, or each vector across all its tensors. */
  trim: z.enum(['tensor', 'global']).default('tensor'),
  /** Factor on the merged vector (λ; η in eq. 7). */
  lambda: z.number().positive().default(1),
  /** By name of the vector; 1 where a name is missing. Names that are no input count for nothing. */
  weights: z.record(z.string(), z.number()).default({}),
  /** slerp: how far from the first end to the second. */
  t: z.number().min(0).max(1).default(0.5),
  /** slerp: its two ends. By default the two inputs by name, RL last. */
  ends: z.tuple([z.string(), z.string()]).optional(),
  /** Whether a vector trained on a merged start counts from the base (its start included, eq. 6) or from its start. */
  rlVector: z.enum(['total', 'delta']).default('total'),
  /** Type of the merged weights; `base` keeps each tensor's own. */
  outDtype: z.enum(['base', 'float32', 'bfloat16', 'float16']).default('base'),
  /** Bytes of a shard at most, where tensors allow. */
  shardBytes: z.int().positive().default(5_000_000_000),
  /** dare-ties: seed of the dropping. */
  seed: z.int().min(0).max(0xffff_ffff).default(0),
});
export type MergeParams = z.infer<typeof MergeParams>;
