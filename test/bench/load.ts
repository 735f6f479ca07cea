/**
 * Seconds and peak memory of loading a model folder into a session's variables:
 * `node --import tsx test/bench/load.ts FOLDER [float32|bfloat16]`. Prints one JSON line; `load.py` is the same by
 * transformers. The graph that holds the variables is made before the clock starts, as imports are there.
 */
import { openCheckpoint } from '../../activities/nn/checkpoint/checkpoint.ts';
import { fillBase } from '../../activities/nn/models/frozen-weights.ts';
import { baseVariables } from '../../activities/nn/models/parameters.ts';
import { nodeFolder } from '../../activities/nn/runtime/files.ts';
import { Program } from '../../activities/nn/runtime/program.ts';

const [folder, dtype = 'bfloat16'] = process.argv.slice(2);
if (folder === undefined || (dtype !== 'float32' && dtype !== 'bfloat16'))
  throw new Error('name a model folder, and float32 or bfloat16');
const checkpoint = await openCheckpoint(nodeFolder(folder));
const program = new Program();
program.entry('hold', (t) => {
  const held = Object.values(baseVariables(t, checkpoint.config, dtype));
  return { outputs: { count: t.after([], t.scalar(held.length, 'int32')) } };
});
const session = await program.load();
const start = performance.now();
await fillBase(session, checkpoint, dtype);
const seconds = (performance.now() - start) / 1000;
const heldBytes = session.variables.reduce(
  (sum, variable) => sum + variable.shape.reduce((n, x) => n * x, variable.dtype === 'bfloat16' ? 2 : 4),
  0,
);
const peakMemoryBytes = 1024 * process.resourceUsage().maxRSS;
console.log(
  JSON.stringify({ work: 'load', seconds: Number(seconds.toFixed(2)), peakMemoryBytes, heldBytes }),
);
session.dispose();
await checkpoint.close();
