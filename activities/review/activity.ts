import path from 'node:path';
import { z } from 'zod';
import { Decision } from '../../schemas/decision.ts';
import { Trace } from '../../schemas/trace.ts';
import { readRows, writeJsonl } from '../shell/jsonl.ts';
import { defineStage } from '../stage.ts';
import { applyDecisions } from './apply-decisions.ts';

/** Splits traces by the reviewers' decisions, which are an input: who made them is in each of them. */
export const reviewStage = defineStage({
  name: 'review',
  specVersion: 1,
  params: z.strictObject({}),
  outputs: { accepted: 'traces', rejected: 'traces' },
  determinism: 'bitwise',
  resources: 'cpu',
  code: ['activities/review/apply-decisions.ts'],
  async run(_params, io) {
    const traces = await readRows(path.join(io.inputs['traces']!, 'traces.jsonl'), Trace);
    const decisions = await readRows(path.join(io.inputs['decisions']!, 'decisions.jsonl'), Decision);
    const { accepted, rejected, human } = applyDecisions(traces, decisions);
    await writeJsonl(path.join(io.outputs['accepted']!, 'traces.jsonl'), accepted);
    await writeJsonl(path.join(io.outputs['rejected']!, 'traces.jsonl'), rejected);
    return { accepted: accepted.length, rejected: rejected.length, humanReviews: human };
  },
});
