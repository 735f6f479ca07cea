import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { InvalidArgumentError, Option, type Command } from 'commander';
import type { z } from 'zod';
import { runSft } from '../../activities/sft/activity.ts';
import type { StageIo, StageSummary } from '../../activities/stage.ts';
import { SftParams } from '../../schemas/sft-params.ts';

interface TrainOptions {
  readonly out: string;
  readonly json?: boolean;
  readonly checkpoints?: string;
  readonly checkpointEvery?: number;
}

const number = (value: string): number => {
  const parsed = Number(value);
  if (value.trim() === '' || !Number.isFinite(parsed)) throw new InvalidArgumentError('It is a number.');
  return parsed;
};

/** Checkpoints of a training outside the pipeline lie in folders named by their step; the newest whole one counts. */
const localIo = async (
  options: TrainOptions,
  unit: string,
): Promise<Pick<StageIo, 'resume' | 'checkpoint' | 'progress' | 'log' | 'signal'>> => {
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => stop.abort(new Error(`stopped by ${signal}`)));
  const root = options.checkpoints;
  const names = root === undefined ? [] : await readdir(root).catch(() => []);
  const newest = names
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .sort((a, b) => b - a)[0];
  let shown = 0;
  return {
    signal: stop.signal,
    resume: root === undefined || newest === undefined ? undefined : path.join(root, String(newest)),
    async checkpoint(step, write) {
      if (root === undefined) return;
      const folder = path.join(root, String(step));
      const unfinished = `${folder}.part`;
      await rm(unfinished, { recursive: true, force: true });
      await mkdir(unfinished, { recursive: true });
      await write(unfinished);
      await rm(folder, { recursive: true, force: true });
      await rename(unfinished, folder);
    },
    progress({ done, total, figures }) {
      const now = performance.now();
      if (now - shown < 1000 && done < total) return;
      shown = now;
      const text = Object.entries(figures).map(([name, x]) => `${name} ${Number(x.toPrecision(5))}`);
      process.stderr.write(`${unit} ${done}/${total}  ${text.join('  ')}\n`);
    },
    log: (line) => void process.stderr.write(`${line}\n`),
  };
};

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
  else process.stderr.write(`wrote ${options.out}\n`);
};

const loopSettings = (options: TrainOptions) => ({
  checkpointSeconds: 30,
  checkpointSteps: options.checkpointEvery,
});

/** Options of every training: optimizer, adapter, checkpoints. Names are those of the parameters in kebab case. */
const withCommon = (command: Command): Command =>
  command
    .option('--rank <n>', 'rank of the adapter', number)
    .option('--alpha <n>', 'the update is (alpha / rank) B A', number)
    .option('--learning-rate <x>', 'peak learning rate of AdamW', number)
    .addOption(
      new Option('--schedule <name>', 'how the rate falls').choices(['constant', 'linear', 'cosine']),
    )
    .option('--warmup-steps <n>', 'steps over which the rate rises', number)
    .option('--weight-decay <x>', 'decoupled weight decay', number)
    .option('--max-grad-norm <x>', 'scale larger gradients down to this norm', number)
    .option('--micro-batch-tokens <n>', 'padded tokens of one pass', number)
    .option('--seed <n>', "seed of the adapter's start, of the order and of sampling", number)
    .option('--checkpoints <dir>', 'keep checkpoints here, and go on from the newest one')
    .option('--checkpoint-every <steps>', 'a checkpoint every so many steps, besides one every 30 s', number)
    .option('--json', 'print one JSON document');

interface SftOptions extends TrainOptions {
  readonly model: string;
  readonly data: string;
  readonly adapter?: string;
}

const sft = async (options: SftOptions, command: Command): Promise<void> => {
  const { model, data, adapter, out, json: _json, checkpoints: _c, checkpointEvery: _e, ...given } = options;
  const params = parseParams(SftParams, given, command);
  await mkdir(out, { recursive: true });
  const io = await localIo(options, 'step');
  report(await runSft({ model, data, adapter, out }, params, io, loopSettings(options)), options);
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
};
