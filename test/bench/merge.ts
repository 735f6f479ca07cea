/**
 * Seconds and peak memory of a TIES merge of every `adapter-NAME` folder beside a base:
 * `node --import tsx test/bench/merge.ts FOLDER`, where FOLDER holds `base` and the adapters. Prints one JSON line. The model is
 * written to a scratch folder in FOLDER, without the vector, and removed.
 */
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { mergeStage } from '../../activities/merge/activity.ts';
import { MergeParams } from '../../schemas/merge-params.ts';

const [folder] = process.argv.slice(2);
if (folder === undefined) throw new Error('name a folder that holds base and adapter-NAME folders');
const adapters = (await readdir(folder)).filter((name) => name.startsWith('adapter-'));
const model = await mkdtemp(path.join(folder, 'merged-'));
const start = performance.now();
try {
  await mergeStage.run(MergeParams.parse({}), {
    inputs: {
      base: path.join(folder, 'base'),
      ...Object.fromEntries(adapters.map((name) => [name.replace('-', '.'), path.join(folder, name)])),
    },
    outputs: { model },
    compute: { dtype: 'float32', arithmetic: 'float32', execution: 'graph', intraOpThreads: 1 },
    resume: undefined,
    checkpoint: async () => {},
    progress: () => {},
    log: () => {},
    signal: new AbortController().signal,
  });
} finally {
  await rm(model, { recursive: true });
}
const seconds = Number(((performance.now() - start) / 1000).toFixed(2));
console.log(
  JSON.stringify({ work: 'merge', seconds, peakMemoryBytes: 1024 * process.resourceUsage().maxRSS }),
);
