import { z } from 'zod';
import { count } from './fields.ts';

const numbers = z.enum(['float32', 'bfloat16']);

const fields = {
  dtype: numbers.describe('What frozen weights are stored and rounded in; adapters stay float32'),
  intraOpThreads: count.describe(
    'Threads of one TensorFlow operation, of which two run at once on processors: half of the cores',
  ),
  execution: z
    .enum(['graph', 'xla'])
    .describe('graph: as traced; xla: training and the vision tower compiled'),
};

/** Products of weights that are held in float32 gain nothing from bfloat16: rounding them is what `dtype` is for. */
const agree = ({ dtype, arithmetic }: { dtype: string; arithmetic: string }): boolean =>
  dtype === 'bfloat16' || arithmetic !== 'bfloat16';
const disagreement = {
  path: ['arithmetic'],
  error: 'is bfloat16, but dtype is float32: make dtype bfloat16 too, or leave arithmetic at auto',
};

/** What changes bits on one and the same machine, so the runtime sets it. Part of the environment in every key. */
export const Compute = z
  .strictObject({
    ...fields,
    arithmetic: z
      .enum(['auto', ...numbers.options])
      .default('auto')
      .describe(
        'What products with weights are computed in; auto: bfloat16 where dtype is and this machine is faster so',
      ),
  })
  .refine(agree, disagreement);
export type Compute = z.infer<typeof Compute>;

/** The same on a known machine: `auto` is decided. */
export const ResolvedCompute = z.strictObject({ ...fields, arithmetic: numbers }).refine(agree, disagreement);
export type ResolvedCompute = z.infer<typeof ResolvedCompute>;
