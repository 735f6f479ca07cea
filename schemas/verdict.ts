import { z } from 'zod';
import { ActionResult } from './action-result.ts';
import { Digest } from './digest.ts';

/** One field that differs; a side where the field does not exist is absent. */
export const Change = z.strictObject({
  path: z.string(),
  before: z.json().optional(),
  after: z.json().optional(),
});
export type Change = z.infer<typeof Change>;

/**
 * Why an action has to run: `kind` is the first of the fields that differ in this order, `changes` lists all of them.
 * `new`: no earlier action of this step is known. `unfinished`: the same action was begun before and left no result.
 * `missing-output`: its result is recorded, but an output is not there or not whole. `damaged-record`: the record itself is.
 */
export const MissReason = z.strictObject({
  kind: z.enum([
    'new',
    'unfinished',
    'missing-output',
    'damaged-record',
    'stage',
    'specVersion',
    'inputs',
    'params',
    'code',
    'environment',
  ]),
  /** Key of the action it was compared with. */
  against: Digest.optional(),
  changes: z.array(Change),
});
export type MissReason = z.infer<typeof MissReason>;

/** What the store knows of an action. */
export const Verdict = z.discriminatedUnion('verdict', [
  z.strictObject({ verdict: z.literal('hit'), key: Digest, result: ActionResult }),
  z.strictObject({ verdict: z.literal('miss'), key: Digest, reason: MissReason }),
]);
export type Verdict = z.infer<typeof Verdict>;
