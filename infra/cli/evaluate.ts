import { access, mkdir } from 'node:fs/promises';
import path from 'node:path';
import { InvalidArgumentError, Option, type Command } from 'commander';
import { runEvaluate } from '../../activities/evaluate/activity.ts';
import { PROFILES } from '../../activities/evaluate/scorers/profiles.ts';
import { readBenchmark } from '../../activities/shell/benchmark-folder.ts';
import { temporaryFolder } from '../../activities/shell/temporary-folder.ts';
import { EvaluateParams } from '../../schemas/evaluate-params.ts';
import { Paradigm } from '../../schemas/paradigm.ts';
import type { EvaluationReport } from '../../schemas/report.ts';
import { artifactFolder } from './artifact-folder.ts';
import { computeOf, withCompute, type ComputeOptions } from './compute-options.ts';
import { localIo } from './local-io.ts';
import { renderTable } from './table.ts';
import { checkVectorOptions, withVectorOptions, type VectorOptions } from './vector-options.ts';

interface EvaluateOptions extends ComputeOptions, VectorOptions {
  readonly model: string;
  readonly adapter?: string;
  readonly benchmark: ReadonlyMap<string, string>;
  readonly out: string;
  readonly limit?: number;
  readonly json?: boolean;
  readonly checkpoints?: string;
  readonly prompt: EvaluateParams['prompt'];
  readonly paradigms?: Paradigm[];
  readonly scorer: string;
  readonly blind: EvaluateParams['blind'];
  readonly maxNewTokens: number;
  readonly batchSize: number;
  readonly temperature: number;
  readonly seed: number;
}

/** Adds NAME=DIR to the benchmarks asked for. */
function benchmark(
  text: string,
  before: ReadonlyMap<string, string> = new Map(),
): ReadonlyMap<string, string> {
  const [, name, folder] = /^([A-Za-z0-9][\w.-]*)=(.+)$/.exec(text) ?? [];
  if (name === undefined || folder === undefined)
    throw new InvalidArgumentError('It is NAME=DIR, such as medxpertqa=data/MedXpertQA/MM.');
  if (before.has(name)) throw new InvalidArgumentError(`The name ${name} is given twice.`);
  return new Map([...before, [name, folder]]);
}

function paradigms(text: string): Paradigm[] {
  const parsed = Paradigm.array().min(1).safeParse(text.split(','));
  if (parsed.success) return parsed.data;
  throw new InvalidArgumentError(`They are some of ${Paradigm.options.join(',')}.`);
}

const wholeFrom =
  (least: number) =>
  (text: string): number => {
    const value = Number(text);
    if (text.trim() !== '' && Number.isSafeInteger(value) && value >= least) return value;
    throw new InvalidArgumentError(`It is a whole number from ${least}.`);
  };

const temperature = (text: string): number => {
  const value = Number(text);
  if (text.trim() !== '' && Number.isFinite(value) && value >= 0) return value;
  throw new InvalidArgumentError('It is a number from 0.');
};

/** Makes the folder for a benchmark's results; one that holds results already is not written over. */
async function freshFolder(out: string, name: string): Promise<string> {
  const folder = path.join(out, name);
  await mkdir(folder, { recursive: true });
  for (const file of ['predictions.jsonl', 'report.json']) {
    const there = await access(path.join(folder, file)).then(
      () => true,
      () => false,
    );
    if (there) throw new Error(`${path.join(folder, file)} is there already: give another --out`);
  }
  return folder;
}

async function evaluate(options: EvaluateOptions): Promise<void> {
  const {
    model,
    adapter,
    vector,
    eta,
    benchmark: benchmarks,
    out,
    limit,
    json,
    checkpoints,
    ...rest
  } = options;
  const { dtype, arithmetic, execution, ...settings } = rest;
  const params = EvaluateParams.parse(settings);
  checkVectorOptions(options);
  const compute = await computeOf({ dtype, arithmetic, execution });
  await using modelFolder = await artifactFolder(model);
  await using adapterFolder = adapter === undefined ? undefined : await artifactFolder(adapter);
  await using vectorFolder = vector === undefined ? undefined : await artifactFolder(vector);
  const reports: Record<string, EvaluationReport> = {};
  for (const [name, source] of benchmarks) {
    await using benchmarkFolder = await artifactFolder(source);
    const folder = await freshFolder(out, name);
    await using unpacked = await temporaryFolder(folder);
    const read = await readBenchmark(benchmarkFolder.path, unpacked.path);
    process.stderr.write(`${name}: ${read.cases.length} cases in the form of ${read.format}\n`);
    const { report } = await runEvaluate(
      {
        model: modelFolder.path,
        adapter: adapterFolder?.path,
        vector: vectorFolder && { folder: vectorFolder.path, factor: eta ?? 1 },
        predictions: folder,
        report: folder,
      },
      { ...read, cases: read.cases.slice(0, limit) },
      params,
      await localIo(checkpoints === undefined ? undefined : path.join(checkpoints, name), 'answers', compute),
    );
    reports[name] = report;
    if (!json) process.stdout.write(`${name}\n${renderTable(report)}\n\n`);
  }
  if (json) process.stdout.write(`${JSON.stringify({ out, reports })}\n`);
}

export const register = (program: Command): void => {
  const defaults = EvaluateParams.parse({});
  withVectorOptions(
    withCompute(
      program
        .command('evaluate')
        .description('ask a model the questions of benchmarks and report how many it answers right'),
    ),
  )
    .requiredOption('--model <dir>', 'model folder, digest or ref')
    .option('--adapter <dir>', 'LoRA adapter folder, digest or ref')
    .requiredOption(
      '--benchmark <name=dir>',
      'a benchmark as its authors ship it, or cases; may be given again',
      benchmark,
    )
    .requiredOption('--out <dir>', 'folder for NAME/predictions.jsonl and NAME/report.json')
    .option('--limit <n>', 'only the first cases of each benchmark', wholeFrom(1))
    .addOption(
      new Option('--prompt <style>', 'plain: the question alone; guided: once under each paradigm')
        .choices(['plain', 'guided'])
        .default(defaults.prompt),
    )
    .option('--paradigms <list>', 'of the guided prompt, separated by commas', paradigms)
    .addOption(
      new Option('--scorer <profile>', 'how letters are read, for the groups of the report')
        .choices(PROFILES.map(({ name }) => name))
        .default(defaults.scorer),
    )
    .addOption(
      new Option('--blind <when>', 'ask without images: no; also, image cases a second time; only')
        .choices(['no', 'also', 'only'])
        .default('no'),
    )
    .option('--max-new-tokens <n>', 'tokens of an answer at most', wholeFrom(1), defaults.maxNewTokens)
    .option('--batch-size <n>', 'answers decoded at once', wholeFrom(1), defaults.batchSize)
    .option('--temperature <t>', '0 takes the most likely token', temperature, defaults.temperature)
    .option('--seed <s>', 'of the random numbers', wholeFrom(0), defaults.seed)
    .option('--checkpoints <dir>', 'keep answers here as they come, and go on from them')
    .option('--json', 'print one JSON document')
    .action((options: EvaluateOptions) => evaluate(options));
};
