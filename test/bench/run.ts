/**
 * `npm run bench [-- --only train,rollout --rounds 3 --layers 2]`: each work beside its reference, in turn, on this machine, and a
 * table of ratios of medians. The reference's Python is made on demand in the cache folder; `BENCH_PYTHON` names one that has the
 * packages of `requirements.txt` and, for merges, mergekit.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { cacheFolder } from '../../infra/setup/cache.mjs';

const HERE = import.meta.dirname;
const CACHE = path.join(cacheFolder(), 'bench');
const [MODEL, PHOTO, MERGE, LARGE, ALIGNED] = [
  'model-80m',
  'photo.jpg',
  'merge',
  'model-2b',
  'model-2b-aligned',
].map((name) => path.join(CACHE, name)) as [string, string, string, string, string];

const { values: options } = parseArgs({
  options: {
    only: { type: 'string', default: 'train,rollout,preprocess,merge,load' },
    rounds: { type: 'string', default: '3' },
    layers: { type: 'string', default: '2' },
    out: { type: 'string', default: 'bench.md' },
  },
});

interface Result {
  /** More is faster. */
  readonly speed: number;
  readonly peakMemoryBytes?: number;
}

interface Work {
  readonly name: string;
  readonly kind: string;
  readonly unit: string;
  /** Least ratio that is aimed at. */
  readonly goal: number;
  prepare?(): Promise<void>;
  ours(): Promise<Result>;
  theirs(): Promise<Result>;
}

const exec = promisify(execFile);

/** Runs a program and reads the JSON line that ends its output. */
async function jsonOf(program: string, args: readonly string[]): Promise<Record<string, number>> {
  const { stdout } = await exec(program, [...args], { cwd: path.join(HERE, '../..'), maxBuffer: 1 << 26 });
  return JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as Record<string, number>;
}

const script = (name: string): string => path.join(HERE, name);
const speedOf = (key: string, found: Record<string, number>): Result => ({
  speed: found[key] ?? Number.NaN,
  ...(found['peakMemoryBytes'] === undefined ? {} : { peakMemoryBytes: found['peakMemoryBytes'] }),
});
const rateOf = (found: Record<string, number>): Result => ({
  ...speedOf('seconds', found),
  speed: 1 / (found['seconds'] ?? Number.NaN),
});
const typescript = (name: string, ...args: string[]): Promise<Record<string, number>> =>
  jsonOf(process.execPath, ['--import', 'tsx', script(name), ...args]);

let python: string | undefined;
async function reference(...args: string[]): Promise<Record<string, number>> {
  python ??= await referencePython();
  return await jsonOf(python, ['-W', 'ignore', ...args]);
}

async function referencePython(): Promise<string> {
  const named = process.env['BENCH_PYTHON'];
  if (named !== undefined) return named;
  const folder = path.join(CACHE, 'python');
  const found = path.join(folder, 'bin/python');
  const made = path.join(folder, 'made');
  if (existsSync(made)) return found;
  process.stderr.write('bench: a Python environment with PyTorch, transformers, PEFT and mergekit …\n');
  await rm(folder, { recursive: true, force: true });
  await exec('python3', ['-m', 'venv', folder]);
  const pip = path.join(folder, 'bin/pip');
  await exec(pip, ['install', '-q', '-r', script('requirements.txt')], { maxBuffer: 1 << 26 });
  // It asks for other versions than it works with.
  await exec(pip, ['install', '-q', '--no-deps', 'mergekit==0.1.5'], { maxBuffer: 1 << 26 });
  await writeFile(made, '');
  return found;
}

/** Makes a folder whole or not at all. */
async function once(folder: string, make: (unfinished: string) => Promise<unknown>): Promise<void> {
  const made = path.join(folder, 'made');
  if (existsSync(made)) return;
  process.stderr.write(`bench: ${path.basename(folder)} …\n`);
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  await make(folder);
  await writeFile(made, '');
}

const cli = (...args: string[]): Promise<Record<string, number>> =>
  jsonOf('npm', ['run', '-s', 'cli', '--', ...args, '--json']);

const makeLarge = (): Promise<void> =>
  once(LARGE, (folder) => reference(script('make-checkpoint.py'), folder));
const makeModel = (): Promise<void> => once(MODEL, (folder) => reference(script('make-80m.py'), folder));

/** PyTorch's bfloat16 takes minutes a step on a CPU that has no instructions for it. */
const fastBfloat16 = async (): Promise<boolean> =>
  /avx512_bf16|amx_bf16/.test(await readFile('/proc/cpuinfo', 'utf8').catch(() => ''));

function tokens(
  name: string,
  verb: 'train' | 'rollout',
  dtype: 'float32' | 'bfloat16',
  goal: number,
  args: string[] = [],
): Work {
  const common = ['--model', MODEL, '--dtype'];
  return {
    name: `${name}, ${dtype}`,
    kind: verb,
    unit: 'tokens/s',
    goal,
    prepare: makeModel,
    ours: async () => speedOf('tokensPerSecond', await cli('bench', verb, ...common, dtype, ...args)),
    theirs: async () => {
      const dtypes = dtype === 'bfloat16' && (await fastBfloat16()) ? ['float32', 'bfloat16'] : ['float32'];
      const found: Result[] = [];
      for (const own of dtypes) {
        const line = await reference(script('reference.py'), verb, ...common, own, ...args);
        found.push(speedOf('tokensPerSecond', line));
      }
      return found.reduce((best, result) => (result.speed > best.speed ? result : best));
    },
  };
}

const pixels = (maxPixels: number): Work => ({
  name: `1024 × 768 JPEG to patches, up to ${maxPixels.toLocaleString('en')} pixels`,
  kind: 'preprocess',
  unit: 'images/s',
  goal: 1,
  ours: async () =>
    speedOf('imagesPerSecond', await typescript('preprocess.ts', PHOTO, '--max-pixels', `${maxPixels}`)),
  theirs: async () =>
    speedOf(
      'imagesPerSecond',
      await reference(script('preprocess.py'), PHOTO, '--max-pixels', `${maxPixels}`),
    ),
});

const works: readonly Work[] = [
  tokens('SFT step, 512 tokens', 'train', 'float32', 1.25),
  tokens('SFT step, 512 tokens', 'train', 'bfloat16', 1.2),
  tokens('SFT step, 512 tokens, one 448 × 448 image', 'train', 'float32', 1.2, ['--image', '448x448']),
  tokens('rollouts, 1 prompt × 8', 'rollout', 'float32', 3),
  tokens('rollouts, 8 prompts × 8', 'rollout', 'float32', 5, ['--prompts', '8']),
  tokens('rollouts, 8 prompts × 8', 'rollout', 'bfloat16', 4, ['--prompts', '8']),
  pixels(1_003_520),
  pixels(401_408),
  {
    name: `TIES of five rank-16 adapters, ${options.layers} layers of the 2B`,
    kind: 'merge',
    unit: 'merges/s',
    goal: 10,
    prepare: () =>
      once(MERGE, (folder) => reference(script('make-merge.py'), folder, '--layers', options.layers)),
    ours: async () => rateOf(await typescript('merge.ts', MERGE)),
    theirs: async () => {
      const start = performance.now();
      const out = path.join(MERGE, 'mergekit');
      await exec(path.join(path.dirname(python ?? ''), 'mergekit-yaml'), [
        path.join(MERGE, 'ties.yml'),
        out,
        '--no-copy-tokenizer',
      ]);
      const seconds = (performance.now() - start) / 1000;
      await rm(out, { recursive: true, force: true });
      return { speed: 1 / seconds };
    },
  },
  {
    name: 'loading a 2B checkpoint in bfloat16, which this project wrote',
    kind: 'load',
    unit: 'loads/s',
    goal: 1,
    async prepare() {
      await makeLarge();
      await once(ALIGNED, (folder) => cli('model', 'align', '--model', LARGE, '--out', folder));
    },
    ours: async () => rateOf(await typescript('load.ts', ALIGNED)),
    theirs: async () => rateOf(await reference(script('load.py'), ALIGNED)),
  },
  {
    name: 'the same, whose tensors begin at multiples of 8 bytes only',
    kind: 'load',
    unit: 'loads/s',
    goal: 1,
    prepare: () => makeLarge(),
    ours: async () => rateOf(await typescript('load.ts', LARGE)),
    theirs: async () => rateOf(await reference(script('load.py'), LARGE)),
  },
];

/** Of an even count the mean of the two in the middle. */
function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  const [low = Number.NaN, high = Number.NaN] = [(sorted.length - 1) / 2, sorted.length / 2].map(
    (at) => sorted[Math.floor(at)],
  );
  return (low + high) / 2;
}
const figure = (x: number): string => (x >= 100 ? x.toFixed(0) : x.toPrecision(3));

const kinds = options.only.split(',');
const unknown = kinds.find((kind) => !works.some((work) => work.kind === kind));
if (unknown !== undefined) throw new Error(`--only: there is no work "${unknown}"`);
await mkdir(CACHE, { recursive: true });
python = await referencePython();
const lines = [
  '| work | ours | reference | ratio | goal | peak memory |',
  '| --- | --- | --- | --- | --- | --- |',
];
for (const work of works.filter(({ kind }) => kinds.includes(kind))) {
  await work.prepare?.();
  const [ours, theirs]: [Result[], Result[]] = [[], []];
  for (let round = 1; round <= Number(options.rounds); round++) {
    theirs.push(await work.theirs());
    ours.push(await work.ours());
    process.stderr.write(
      `bench: ${work.name}, round ${round}: ${figure((ours.at(-1)?.speed ?? 0) / (theirs.at(-1)?.speed ?? 1))} ×\n`,
    );
  }
  const ratio = median(ours.map(({ speed }, i) => speed / (theirs[i]?.speed ?? Number.NaN)));
  const peak = Math.max(...ours.map(({ peakMemoryBytes }) => peakMemoryBytes ?? 0));
  const cells = [
    work.name,
    `${figure(median(ours.map(({ speed }) => speed)))} ${work.unit}`,
    figure(median(theirs.map(({ speed }) => speed))),
    `${ratio.toFixed(2)} ×`,
    `${work.goal} ×`,
    peak === 0 ? '' : `${(peak / 1e9).toFixed(2)} GB`,
  ];
  lines.push(`| ${cells.join(' | ')} |`);
  await writeFile(options.out, `${lines.join('\n')}\n`);
}
process.stdout.write(`${lines.join('\n')}\n`);
