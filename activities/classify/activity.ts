import path from 'node:path';
import { Case } from '../../schemas/case.ts';
import { copyImages } from '../shell/copy-images.ts';
import { readRows, writeJsonl } from '../shell/jsonl.ts';
import { defineStage } from '../stage.ts';
import { classifyCases, ClassifyParams } from './classify.ts';

/** Gives each case its specialty. */
export const classifyStage = defineStage({
  name: 'classify',
  specVersion: 1,
  params: ClassifyParams,
  outputs: { cases: 'cases' },
  determinism: 'bitwise',
  resources: 'cpu',
  code: ['activities/classify/classify.ts'],
  async run(params, io) {
    const from = io.inputs['cases']!;
    const to = io.outputs['cases']!;
    const { cases, counts, collisions, unmatched } = classifyCases(
      await readRows(path.join(from, 'cases.jsonl'), Case),
      params,
    );
    await writeJsonl(path.join(to, 'cases.jsonl'), cases);
    await copyImages(
      from,
      to,
      cases.flatMap(({ images }) => images),
    );
    return { ...counts, collisions, unmatched };
  },
});
