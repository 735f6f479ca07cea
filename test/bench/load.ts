/**
 * Seconds and peak memory of loading a model folder into a session's variables:
 * `node --import tsx test/bench/load.ts FOLDER [float32|bfloat16]`. Prints one JSON line; `load.py` is the same by
 * transformers. The graph that holds the variables is made before the clock starts, as imports are there. What is mapped is
 * not loaded before it is read: each line of a cache or two is read once, and the time to do so again is subtracted.
 */
import { openCheckpoint } from '../../activities/nn/checkpoint/checkpoint.ts';
import { fillBase } from '../../activities/nn/models/frozen-weights.ts';
import type { Value } from '../../activities/nn/ops/node.ts';
import type { Trace } from '../../activities/nn/ops/trace.ts';
import { sizeOf } from '../../activities/nn/ops/shape.ts';
import { baseVariables } from '../../activities/nn/models/parameters.ts';
import { nodeFolder } from '../../activities/nn/runtime/files.ts';
import { Program } from '../../activities/nn/runtime/program.ts';

const [folder, dtype = 'bfloat16'] = process.argv.slice(2);
if (folder === undefined || (dtype !== 'float32' && dtype !== 'bfloat16'))
  throw new Error('name a model folder, and float32 or bfloat16');
const checkpoint = await openCheckpoint(nodeFolder(folder));
const program = new Program();
const readAll = (t: Trace): { outputs: Record<string, Value> } => {
  const held = Object.values(baseVariables(t, checkpoint.config, dtype));
  const sums = held.map((value) => {
    const size = sizeOf(value.shape);
    const numbers = t.reshape(value, [-1]);
    const lines = t.reshape(t.slice(numbers, [0], [size - (size % 64)]), [-1, 64]);
    return t.sum(t.cast(t.slice(lines, [0, 0], [Math.floor(size / 64), 1]), 'float32'), [0, 1]);
  });
  return { outputs: { total: sums.reduce((total, sum) => t.add(total, sum)) } };
};
program.entry('first', readAll);
program.entry('again', readAll);
const session = await program.load();
const secondsOf = async (work: () => unknown): Promise<number> => {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1000;
};
const filled = await secondsOf(() => fillBase(session, checkpoint, dtype));
const [first, again] = [
  await secondsOf(() => session.run('first')),
  await secondsOf(() => session.run('again')),
];
const seconds = filled + Math.max(0, first - again);
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
