import { z } from 'zod';
import { count } from './fields.ts';

/** What changes bits on one and the same machine, so the runtime sets it. Part of the environment in every key. */
export const Compute = z.strictObject({
  dtype: z
    .enum(['float32', 'bfloat16'])
    .describe('Type of frozen weights and of activations; adapters stay float32'),
  intraOpThreads: count.describe('Threads of one TensorFlow operation'),
  execution: z.enum(['graph', 'xla']).describe('graph: as traced; xla: compiled'),
});
