import { InvalidArgumentError, type Command } from 'commander';
import { benchRollout } from '../bench/rollout.ts';
import { benchTrain } from '../bench/train.ts';
import type { Measured } from '../bench/measure.ts';
import { artifactFolder } from './artifact-folder.ts';
import { computeOf, withCompute, type ComputeOptions } from './compute-options.ts';
import { formatBytes } from './format-bytes.ts';

interface BenchOptions extends ComputeOptions {
  readonly model: string;
  readonly rank: number;
  readonly json?: boolean;
}

const positive = (value: string): number => {
  const parsed = Number(value);
  if (!Number.isInteger(parsed) || parsed < 1) throw new InvalidArgumentError('It is a whole number from 1.');
  return parsed;
};

const size = (value: string): readonly [number, number] => {
  const [width, height] = /^(\d+)x(\d+)$/.exec(value)?.slice(1).map(Number) ?? [];
  if (!width || !height) throw new InvalidArgumentError('It is written WIDTHxHEIGHT, as in 448x448.');
  return [width, height];
};

const report = (measured: Measured, { json }: BenchOptions): void => {
  const { arithmetic, tokensPerSecond, secondsPerStep, peakMemoryBytes } = measured;
  if (json === true) process.stdout.write(`${JSON.stringify(measured)}\n`);
  else
    process.stdout.write(
      `${tokensPerSecond.toFixed(1)} tokens/s, ${(secondsPerStep * 1000).toFixed(1)} ms a step, ${formatBytes(peakMemoryBytes)} peak memory, products in ${arithmetic}\n`,
    );
};

const withCommon = (command: Command): Command =>
  withCompute(command)
    .requiredOption('--model <dir>', 'Hugging Face model folder')
    .option('--rank <n>', 'rank of the adapter', positive, 16)
    .option('--json', 'print one JSON document');

interface TrainOptions extends BenchOptions {
  readonly sequence: number;
  readonly steps: number;
  readonly recompute: boolean;
  readonly image?: readonly [number, number];
}

interface RolloutOptions extends BenchOptions {
  readonly prompt: number;
  readonly new: number;
  readonly group: number;
  readonly prompts: number;
}

export const register = (program: Command): void => {
  const bench = program.command('bench').description('measure how fast a model trains and samples here');
  withCommon(bench.command('train').description('optimizer steps of LoRA training on one row of random text'))
    .option('--sequence <n>', 'tokens of the row, all of them labels', positive, 512)
    .option('--recompute', 'compute layers again in the backward pass: less memory, more time', false)
    .option('--image <size>', 'begin the row with an image of WIDTHxHEIGHT pixels', size)
    .option('--steps <n>', 'timed steps', positive, 6)
    .action(async (options: TrainOptions) => {
      await using folder = await artifactFolder(options.model);
      const compute = await computeOf(options);
      report(await benchTrain({ ...options, compute, model: folder.path }), options);
    });
  withCommon(bench.command('rollout').description('completions of an optimizer step of GBA, sampled'))
    .option('--prompt <n>', 'tokens of a prompt', positive, 256)
    .option('--new <n>', 'tokens of each completion', positive, 48)
    .option('--group <n>', 'completions of each prompt', positive, 8)
    .option('--prompts <n>', 'prompts', positive, 1)
    .action(async (options: RolloutOptions) => {
      await using folder = await artifactFolder(options.model);
      const compute = await computeOf(options);
      const bench = { ...options, compute, newTokens: options.new, model: folder.path };
      report(await benchRollout(bench), options);
    });
};
