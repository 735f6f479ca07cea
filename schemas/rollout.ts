import { z } from 'zod';
import { Paradigm } from './paradigm.ts';

/** One sampled completion of GBA with what it earned, a row of `rollouts.jsonl`. */
export const Rollout = z.strictObject({
  version: z.literal(1),
  /** Optimizer step that trained on it, from 1. */
  step: z.int().positive(),
  caseId: z.string(),
  /** Paradigm whose guideline the prompt carried; null without guidelines. */
  paradigm: Paradigm.nullable(),
  prompt: z.string(),
  completion: z.string(),
  /** Each reward by name, before weights. */
  rewards: z.record(z.string(), z.number()),
  /** Weighted sum of the rewards. */
  reward: z.number(),
  advantage: z.number(),
  finishReason: z.enum(['stop', 'length']),
});
export type Rollout = z.infer<typeof Rollout>;
