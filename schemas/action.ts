import { z } from 'zod';
import { Digest } from './digest.ts';
import { StageName } from './stage-name.ts';

/** Module path (or `node_modules/…` path of the lockfile) → digest (or version and integrity). */
export const CodeMap = z.record(z.string(), z.string());
export type CodeMap = z.infer<typeof CodeMap>;

/** Name of an input or output of a stage: `model`, `adapter.AM`, `traces.12`. */
export const SlotName = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/, 'not a name of an input or output');

/** Everything that decides what a step computes. A parameter equal to its default is left out; seeds are parameters. */
export const Action = z.strictObject({
  version: z.literal(1),
  stage: StageName,
  specVersion: z.int().positive(),
  inputs: z.record(SlotName, Digest),
  params: z.record(z.string(), z.json()),
  code: CodeMap,
  environment: z.record(z.string(), z.string()),
});
export type Action = z.infer<typeof Action>;

/** The stored form of an action, with the code map replaced by its digest: the sha256 of its canonical JSON is the action key. */
export const ActionPreimage = Action.extend({ code: Digest });
export type ActionPreimage = z.infer<typeof ActionPreimage>;
