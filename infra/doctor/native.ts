import { execFile } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { defaultThreads } from '../../activities/nn/runtime/tensorflow.ts';
import { autoArithmetic } from '../../activities/shell/arithmetic.ts';
import { machineFacts } from '../../activities/shell/environment.ts';
import { probeProducts } from '../../activities/shell/product-probe.ts';
import { probesFolder } from '../probes.ts';
import { cacheFolder } from '../setup/cache.mjs';
import { inspect, nodeProblem } from '../setup/prerequisites.mjs';
import { survey } from '../setup/setup.mjs';
import { fail, type Finding, ok, warn, wordsOf } from './finding.ts';

const ROOT = path.resolve(import.meta.dirname, '../..');
const PROBE = fileURLToPath(new URL('./tensorflow-probe.ts', import.meta.url));
const SET_UP = 'run `mmedexpert setup`';

async function examineTensorFlow(kind: string): Promise<Finding[]> {
  try {
    const { stdout } = await promisify(execFile)(process.execPath, ['--import', 'tsx', PROBE], {
      cwd: ROOT,
      timeout: 120_000,
    });
    const { version, gpu } = JSON.parse(stdout) as { version: string; gpu: boolean };
    const cure = 'see that `nvidia-smi` works and CUDA_VISIBLE_DEVICES names a device';
    return [
      ok('TensorFlow', `${version} loads and computes`),
      kind === 'cuda' && !gpu
        ? fail('accelerator', 'the CUDA library is used, but TensorFlow finds no GPU', cure)
        : ok('accelerator', gpu ? 'NVIDIA GPU' : 'none: computing on the processor'),
    ];
  } catch (error) {
    const { stderr = '' } = error as { stderr?: string };
    const why = stderr.split('\n').find((line) => /error/i.test(line)) ?? wordsOf(error);
    return [fail('TensorFlow', `does not load: ${why.trim()}`, 'run `mmedexpert setup --verify`')];
  }
}

/** How fast products with weights are, and what `compute.arithmetic: auto` makes of it. */
async function examineProducts(): Promise<Finding> {
  const name = 'products';
  try {
    const probe = await probeProducts(probesFolder(), defaultThreads);
    const figures = probe.speeds.map(
      ({ rows, float32, bfloat16 }) =>
        `${rows} rows ${float32.toFixed(0)} GFLOP/s in float32, ${bfloat16.toFixed(0)} in bfloat16`,
    );
    const choice = autoArithmetic(await machineFacts(), probe);
    return ok(
      name,
      `${figures.join('; ')}, ${defaultThreads === 1 ? 'a thread' : `${defaultThreads} threads`} to an operation: arithmetic auto means ${choice} for bfloat16 weights`,
    );
  } catch (error) {
    return fail(name, wordsOf(error), 'run `mmedexpert setup --verify`');
  }
}

/** What was installed and built, and the programs that it takes. Every file of the cache is hashed. */
export async function* examineNative(): AsyncGenerator<Finding> {
  const problem = nodeProblem();
  yield problem === undefined
    ? ok('Node', process.versions.node)
    : fail('Node', problem, 'install Node 20.19, 22 or 24');
  const cache = cacheFolder();
  const found = await survey(ROOT, cache, { thorough: true });
  for (const { name, version, cure } of inspect(['python3', 'pip', 'g++', 'go'])) {
    if (version !== undefined) yield ok(name, version);
    else if (found.needs.includes(name)) yield fail(name, 'missing, and set-up needs it', cure);
    else yield ok(name, 'missing, and not needed: what it makes is there');
  }
  yield found.packages
    ? ok('npm packages', 'as the lockfile says')
    : warn('npm packages', 'differ from the lockfile', `run \`npm ci\`, then ${SET_UP}`);
  yield found.servers.length === 0
    ? ok('local servers', `programs are there, in ${cache} or elsewhere`)
    : fail('local servers', `missing or damaged: ${found.servers.join(', ')}`, SET_UP);
  yield found.library && found.binding
    ? ok('TensorFlow files', `for ${found.kind}, as they were made`)
    : fail(
        'TensorFlow files',
        `missing or damaged: ${found.library ? 'binding' : 'library'}`,
        'run `mmedexpert setup --verify`',
      );
  if (!found.binding) return;
  yield* await examineTensorFlow(found.kind);
  yield await examineProducts();
}
