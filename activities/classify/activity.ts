import path from 'node:path';
import { Case } from '../../schemas/case.ts';
import { copyImages } from '../shell/copy-images.ts';
import { readRows, writeJsonl } from '../shell/jsonl.ts';
import { defineStage } from '../stage.ts';
import { classifyCases, ClassifyParams } from './classify.ts';

/** Gives each case its specialty; the cases of several sources become one set. */
export const classifyStage = defineStage({
  name: 'classify',
  specVersion: 1,
  params: ClassifyParams,
  outputs: { cases: 'cases' },
  determinism: 'bitwise',
  resources: 'cpu',
  code: ['activities/classify/classify.ts'],
  async run(params, io) {
    const to = io.outputs['cases']!;
    const sources = Object.keys(io.inputs)
      .toSorted()
      .map((name) => io.inputs[name]!);
    const all: Case[] = [];
    for (const from of sources) {
      const rows = await readRows(path.join(from, 'cases.jsonl'), Case);
      all.push(...rows);
      await copyImages(
        from,
        to,
        rows.flatMap(({ images }) => images),
      );
    }
    const { cases, counts, collisions, unmatched } = classifyCases(all, params);
    await writeJsonl(path.join(to, 'cases.jsonl'), cases);
    return { ...counts, collisions, unmatched };
  },
});
