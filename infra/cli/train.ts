import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { InvalidArgumentError, Option, type Command } from 'commander';
import type { z } from 'zod';
import { runGba } from '../../activities/gba/activity.ts';
import { pretrainStage } from '../../activities/pretrain/activity.ts';
import { runSft } from '../../activities/sft/activity.ts';
import { withMlflow } from '../../activities/shell/mlflow.ts';
import type { StageIo, StageSummary } from '../../activities/stage.ts';
import { GbaParams } from '../../schemas/gba-params.ts';
import { demo } from '../../schemas/presets/demo.ts';
import { SftParams } from '../../schemas/sft-params.ts';
import { artifactFolder } from './artifact-folder.ts';
import { AS_TRACED, computeOf, withCompute } from './compute-options.ts';
import type { ComputeOptions } from './compute-options.ts';
import { formatBytes } from './format-bytes.ts';
import { localIo } from './local-io.ts';

interface TrainOptions {
  readonly out: string;
  readonly json?: boolean;
  readonly checkpoints?: string;
  readonly checkpointEvery?: number;
  readonly validation?: string;
  readonly validateEvery?: number;
}

const number = (value: string): number => {
  const parsed = Number(value);
  if (value.trim() === '' || !Number.isFinite(parsed)) throw new InvalidArgumentError('It is a number.');
  return parsed;
};

const list = (value: string): string[] => value.split(',');

/** Parameters from the options that were given, the schema's defaults for the rest. */
const parseParams = <T>(schema: z.ZodType<T>, given: Record<string, unknown>, command: Command): T => {
  const parsed = schema.safeParse(
    Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)),
  );
  if (parsed.success) return parsed.data;
  const issues = parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
  return command.error(`error: ${issues.join('; ')}`, { exitCode: 2 });
};

const report = (summary: StageSummary, options: TrainOptions): void => {
  if (options.json === true) process.stdout.write(`${JSON.stringify({ out: options.out, ...summary })}\n`);
  else
    process.stderr.write(
      `wrote ${options.out}, ${formatBytes(Number(summary['peakMemoryBytes']))} peak memory\n`,
    );
};

/** The file to validate on. One of the two options without the other says nothing. */
const validationOf = ({ validation, validateEvery }: TrainOptions, command: Command): string | undefined =>
  (validation === undefined) === (validateEvery === undefined)
    ? validation
    : command.error('error: --validation and --validate-every go together', { exitCode: 2 });

const loopSettings = (options: TrainOptions) => ({
  checkpointSeconds: 30,
  checkpointSteps: options.checkpointEvery,
});

/** Options of every training: optimizer, adapter, checkpoints. Names are those of the parameters in kebab case. */
const withCommon = (command: Command): Command =>
  withCompute(command)
    .option('--rank <n>', 'rank of the adapter', number)
    .option('--alpha <n>', 'the update is (alpha / rank) B A', number)
    .option(
      '--targets <parts>',
      'what is adapted: language, or with vision and merger: a list with commas',
      list,
    )
    .option('--dropout <x>', 'share of what the adapter reads that is zeroed in training', number)
    .option('--recompute', 'compute layers again in the backward pass: less memory, more time')
    .option('--learning-rate <x>', 'peak learning rate of AdamW', number)
    .addOption(
      new Option('--schedule <name>', 'how the rate falls').choices(['constant', 'linear', 'cosine']),
    )
    .option('--warmup-steps <n>', 'steps over which the rate rises', number)
    .option('--weight-decay <x>', 'decoupled weight decay', number)
    .option('--max-grad-norm <x>', 'scale larger gradients down to this norm', number)
    .option('--micro-batch-tokens <n>', 'tokens of one pass', number)
    .option('--validation <file>', 'what to validate on, in the form of --data; needs --validate-every')
    .option('--validate-every <steps>', 'validate every so many steps, and at the end', number)
    .addOption(
      new Option('--keep <which>', 'write the adapter of the last step, or the best by validation').choices([
        'last',
        'best',
      ]),
    )
    .option('--patience <n>', 'end after so many validations in a row without improvement', number)
    .option('--min-delta <x>', 'an improvement is larger than this', number)
    .option('--seed <n>', "seed of the adapter's start, of the order and of sampling", number)
    .option('--checkpoints <dir>', 'keep checkpoints here, and go on from the newest one')
    .option('--checkpoint-every <steps>', 'a checkpoint every so many steps, besides one every 30 s', number)
    .option('--json', 'print one JSON document');

/** A training whose figures are sent to MLflow too, where the environment names a server. */
const tracked = <Io extends Pick<StageIo, 'progress' | 'log' | 'signal'>>(
  job: string,
  { out }: TrainOptions,
  params: Readonly<Record<string, unknown>>,
  io: Io,
  train: (io: Io) => Promise<StageSummary>,
): Promise<StageSummary> =>
  withMlflow(
    { name: `${job} ${path.basename(path.resolve(out))}`, params, signal: io.signal },
    (line) => io.log(line),
    (take) =>
      train({
        ...io,
        progress(event) {
          io.progress(event);
          take(event);
        },
      }),
  );

interface SftOptions extends TrainOptions, ComputeOptions {
  readonly model: string;
  readonly data: string;
  readonly adapter?: string;
}

const sft = async (options: SftOptions, command: Command): Promise<void> => {
  const { model, data, validation: _v, adapter, out, ...rest } = options;
  const { json: _json, checkpoints: _c, checkpointEvery: _e, ...settings } = rest;
  const { dtype: _d, arithmetic: _a, execution: _x, ...given } = settings;
  const validation = validationOf(options, command);
  const params = parseParams(SftParams, given, command);
  const compute = await computeOf(options);
  await mkdir(out, { recursive: true });
  const io = await localIo(options.checkpoints, 'step', compute);
  await using folder = await artifactFolder(model);
  await using start = adapter === undefined ? undefined : await artifactFolder(adapter);
  const files = { model: folder.path, data, validation, adapter: start?.path, out };
  const run = (watched: typeof io) => runSft(files, params, watched, loopSettings(options));
  report(await tracked('sft', options, params, io, run), options);
};

interface GbaOptions extends TrainOptions, ComputeOptions {
  readonly model: string;
  readonly data: string;
  readonly start?: string;
  readonly guidelines?: string;
  readonly reward?: ReadonlyMap<string, number>;
}

/** Adds NAME=WEIGHT to the rewards asked for. */
const rewardWeight = (
  text: string,
  before: ReadonlyMap<string, number> = new Map(),
): ReadonlyMap<string, number> => {
  const [, name, weight] = /^([^=]+)=(.+)$/.exec(text) ?? [];
  if (name === undefined || weight === undefined)
    throw new InvalidArgumentError('It is NAME=WEIGHT, such as accuracy=1.');
  if (before.has(name)) throw new InvalidArgumentError(`The reward ${name} is given twice.`);
  return new Map([...before, [name, number(weight)]]);
};

const gba = async (options: GbaOptions, command: Command): Promise<void> => {
  const { model, start, data, validation: _v, guidelines, out, reward, ...rest } = options;
  const { json: _json, checkpoints: _c, checkpointEvery: _e, ...settings } = rest;
  const { dtype: _d, arithmetic: _a, execution: _x, ...given } = settings;
  const validation = validationOf(options, command);
  const rewards = reward && { accuracy: 0, structure: 0, ...Object.fromEntries(reward) };
  const params = parseParams(GbaParams, { ...given, rewards }, command);
  const compute = await computeOf(options);
  await mkdir(out, { recursive: true });
  const io = await localIo(options.checkpoints, 'step', compute);
  await using folder = await artifactFolder(model);
  await using from = start === undefined ? undefined : await artifactFolder(start);
  const files = {
    model: folder.path,
    start: from?.path,
    data,
    validation,
    guidelines,
    adapter: out,
    rollouts: out,
  };
  const run = (watched: typeof io) => runGba(files, params, watched, undefined, loopSettings(options));
  report(await tracked('gba', options, params, io, run), options);
};

interface PretrainOptions extends TrainOptions {
  readonly source: string;
}

/** Sizes and rates are the demo's where no option says otherwise. */
const pretrain = async (options: PretrainOptions, command: Command): Promise<void> => {
  const { source, out, json: _json, checkpoints: _c, checkpointEvery: _e, ...given } = options;
  const { kind: _kind, path: _path, ...base } = demo.base as Extract<typeof demo.base, { kind: 'pretrain' }>;
  const params = parseParams(pretrainStage.params, { ...base, ...given }, command);
  const compute = await computeOf(AS_TRACED);
  await mkdir(out, { recursive: true });
  await using folder = await artifactFolder(source);
  const io = await localIo(options.checkpoints, 'step', compute);
  const summary = await pretrainStage.run(params, {
    ...io,
    inputs: { source: folder.path },
    outputs: { model: out },
  });
  report(summary, options);
};

export const register = (program: Command): void => {
  const train = program.command('train').description('train on plain folders, without the pipeline');
  withCommon(
    train
      .command('sft')
      .description('fine-tune a LoRA adapter on conversations; loss on the assistant’s words')
      .requiredOption('--model <dir>', 'Hugging Face model folder')
      .requiredOption('--data <file>', 'JSONL rows { messages, images }; image paths relative to it')
      .option('--adapter <dir>', 'PEFT adapter to start from')
      .requiredOption('--out <dir>', 'folder for the adapter and metrics.jsonl')
      .option('--epochs <n>', 'passes over the rows', number)
      .option('--accumulate <n>', 'rows of one optimizer step', number)
      .addOption(
        new Option('--loss-normalisation <kind>', 'mean over rows, or over all tokens of a step').choices([
          'sequence',
          'token',
        ]),
      )
      .option('--no-shuffle', 'keep the order of the file')
      .option('--max-tokens <n>', 'longest row', number)
      .addOption(new Option('--overlong <what>', 'what happens to longer rows').choices(['drop', 'refuse'])),
  ).action((options: SftOptions, command: Command) => sft(options, command));
  withCommon(
    train
      .command('gba')
      .description('train a LoRA adapter by guideline-based advantages; without guidelines it is GRPO')
      .requiredOption('--model <dir>', 'Hugging Face model folder to start from and stay near')
      .option('--start <dir>', 'a vector or adapter to add to it first, or a model merged on it')
      .requiredOption('--data <file>', 'JSONL cases; image paths relative to it')
      .requiredOption('--out <dir>', 'folder for the adapter, metrics.jsonl and rollouts.jsonl')
      .requiredOption('--steps <n>', 'optimizer steps', number)
      .option('--prompts-per-step <n>', 'queries of one step', number)
      .option('--group <n>', 'completions of one query', number)
      .option('--max-new-tokens <n>', 'longest completion', number)
      .option('--max-prompt-tokens <n>', 'longest prompt', number)
      .addOption(
        new Option('--overlong <what>', 'what happens to queries with longer ones').choices([
          'drop',
          'refuse',
        ]),
      )
      .option('--temperature <x>', 'of sampling', number)
      .addOption(
        new Option('--guideline-mode <mode>', 'which paradigm guides which query').choices([
          'rotate',
          'all',
          'mixed',
          'none',
        ]),
      )
      .option('--guidelines <dir>', 'one text a paradigm, such as bayesian.md, in place of the built-in ones')
      .option(
        '--reward <name=weight...>',
        'accuracy, structure, adherence; a reward that is not named counts 0',
        rewardWeight,
      )
      .option('--beta <x>', 'weight of the divergence from the start', number)
      .option('--clip <x>', 'the ratio is clipped to 1 ± this', number)
      .addOption(
        new Option('--aggregation <kind>', 'how token losses add up').choices([
          'grpo',
          'bnpo',
          'dr_grpo',
          'dapo',
        ]),
      )
      .addOption(
        new Option('--advantage-std <kind>', 'divisor of the variance').choices(['unbiased', 'biased']),
      )
      .option('--advantage-epsilon <x>', 'added to the spread', number)
      .option('--mask-truncated', 'leave completions that did not end out of the loss'),
  ).action((options: GbaOptions, command: Command) => gba(options, command));
  train
    .command('pretrain')
    .description('train the demo’s base from random weights on the clinic’s corpus')
    .requiredOption('--source <dir>', 'folder with bank.json')
    .requiredOption('--out <dir>', 'folder for the model')
    .option('--steps <n>', 'optimizer steps', number)
    .option('--batch-size <n>', 'rows of one step', number)
    .option('--learning-rate <x>', 'peak learning rate of AdamW', number)
    .option('--warmup-steps <n>', 'steps over which the rate rises', number)
    .option('--seed <n>', 'seed of the initial weights and of the corpus', number)
    .option('--checkpoints <dir>', 'keep checkpoints here, and go on from the newest one')
    .option('--json', 'print one JSON document')
    .action((options: PretrainOptions, command: Command) => pretrain(options, command));
};
