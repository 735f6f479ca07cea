import { Case } from '../../schemas/case.ts';
import { Trace } from '../../schemas/trace.ts';
import { readRows, writeRows } from '../folders/jsonl.ts';
import { defineStage } from '../stage.ts';
import { FilterParams, filterTraces } from './filter.ts';

/** Keeps the traces whose final answer is the gold one. */
export const filterStage = defineStage({
  name: 'filter',
  specVersion: 1,
  params: FilterParams,
  outputs: { kept: 'traces', rejected: 'traces' },
  determinism: 'bitwise',
  resources: 'cpu',
  code: ['activities/filter/filter.ts'],
  async run(params, io) {
    const shards = Object.keys(io.inputs).filter((name) => name.startsWith('traces.'));
    const traces = await Promise.all(shards.map((name) => readRows(io.inputs[name]!, 'traces.jsonl', Trace)));
    const cases = await readRows(io.inputs['cases']!, 'cases.jsonl', Case);
    const { kept, rejected, counts } = filterTraces(cases, traces.flat(), params);
    await writeRows(io.outputs['kept']!, 'traces.jsonl', kept);
    await writeRows(io.outputs['rejected']!, 'traces.jsonl', rejected);
    return { kept: kept.length, rejected: rejected.length, ...counts };
  },
});
