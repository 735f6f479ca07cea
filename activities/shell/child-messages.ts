import { z } from 'zod';
import { ResolvedCompute } from '../../schemas/config/compute.ts';
import { Progress } from '../../schemas/progress.ts';
import { StageName } from '../../schemas/stage-name.ts';
import { Json } from '../../schemas/step.ts';

/** What a child is told to do. Folders are absolute; the parent made them. */
export const Job = z.strictObject({
  stage: StageName,
  params: z.record(z.string(), Json),
  compute: ResolvedCompute,
  inputs: z.record(z.string(), z.string()),
  outputs: z.record(z.string(), z.string()),
  checkpoints: z.string(),
  resume: z.string().nullable(),
});
export type Job = z.infer<typeof Job>;

/** From child to parent. */
export const FromChild = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('ready') }),
  z.strictObject({ type: z.literal('progress'), event: Progress }),
  z.strictObject({ type: z.literal('log'), line: z.string() }),
  z.strictObject({ type: z.literal('checkpoint'), step: z.int().nonnegative(), folder: z.string() }),
  z.strictObject({ type: z.literal('done'), summary: z.record(z.string(), Json) }),
  z.strictObject({ type: z.literal('failed'), name: z.string(), message: z.string(), stack: z.string() }),
]);
export type FromChild = z.infer<typeof FromChild>;

/** From parent to child. */
export const FromParent = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('start'), job: Job }),
  z.strictObject({ type: z.literal('kept'), step: z.int().nonnegative() }),
  z.strictObject({ type: z.literal('stop'), reason: z.string() }),
]);
export type FromParent = z.infer<typeof FromParent>;
