import { z } from 'zod';

const gflops = z.number().positive();

/** How fast a machine multiplies by weights, in GFLOP/s, best of several runs: what `compute.arithmetic: auto` goes by. */
export const ProductProbe = z.strictObject({
  version: z.literal(1),
  /** What identifies the kind of machine; an answer of another kind says nothing here. */
  machine: z.record(z.string(), z.string()),
  speeds: z
    .array(
      z.strictObject({
        /** Rows of activations: many in training, few in decoding. */
        rows: z.int().positive(),
        float32: gflops,
        bfloat16: gflops,
      }),
    )
    .min(1),
});
export type ProductProbe = z.infer<typeof ProductProbe>;
