import path from 'node:path';
import { Case } from '../../schemas/case.ts';
import { Trace } from '../../schemas/trace.ts';
import { readRows, writeJsonl } from '../shell/jsonl.ts';
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
    const traces = await Promise.all(
      shards.map((name) => readRows(path.join(io.inputs[name]!, 'traces.jsonl'), Trace)),
    );
    const cases = await readRows(path.join(io.inputs['cases']!, 'cases.jsonl'), Case);
    const { kept, rejected, counts } = filterTraces(cases, traces.flat(), params);
    await writeJsonl(path.join(io.outputs['kept']!, 'traces.jsonl'), kept);
    await writeJsonl(path.join(io.outputs['rejected']!, 'traces.jsonl'), rejected);
    return { kept: kept.length, rejected: rejected.length, ...counts };
  },
});
