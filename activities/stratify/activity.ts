import path from 'node:path';
import { Case } from '../../schemas/case.ts';
import { Trace } from '../../schemas/trace.ts';
import { copyImages } from '../shell/copy-images.ts';
import { readRows, writeJsonl } from '../shell/jsonl.ts';
import { defineStage } from '../stage.ts';
import { stratify, StratifyParams } from './stratify.ts';

/** Splits the accepted traces into one set of SFT data per specialty and their union, and names RL's queries. */
export const stratifyStage = defineStage({
  name: 'stratify',
  specVersion: 2,
  params: StratifyParams,
  outputs: {
    AM: 'sft-data',
    CAH: 'sft-data',
    BS: 'sft-data',
    CSI: 'sft-data',
    union: 'sft-data',
    queries: 'cases',
  },
  determinism: 'bitwise',
  resources: 'cpu',
  code: ['activities/stratify/stratify.ts'],
  async run(params, io) {
    const from = io.inputs['cases']!;
    const cases = await readRows(path.join(from, 'cases.jsonl'), Case);
    const traces = await readRows(path.join(io.inputs['traces']!, 'traces.jsonl'), Trace);
    const { sets, queries } = stratify(cases, traces, params);
    const counts: Record<string, number> = {
      'queries.train': queries.train.length,
      'queries.validation': queries.validation.length,
    };
    for (const [name, { train, validation }] of Object.entries(sets)) {
      const to = io.outputs[name]!;
      await writeJsonl(path.join(to, 'train.jsonl'), train);
      await writeJsonl(path.join(to, 'validation.jsonl'), validation);
      await copyImages(
        from,
        to,
        [...train, ...validation].flatMap(({ images }) => images),
      );
      counts[`${name}.train`] = train.length;
      counts[`${name}.validation`] = validation.length;
    }
    const to = io.outputs['queries']!;
    await writeJsonl(path.join(to, 'cases.jsonl'), queries.train);
    await writeJsonl(path.join(to, 'validation.jsonl'), queries.validation);
    await copyImages(
      from,
      to,
      [...queries.train, ...queries.validation].flatMap(({ images }) => images),
    );
    return counts;
  },
});
