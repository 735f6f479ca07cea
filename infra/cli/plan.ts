import { InvalidArgumentError, type Command } from 'commander';
import { resolveCompute } from '../../activities/shell/arithmetic.ts';
import { NotConnected, connectStore } from '../connect.ts';
import { resolveConfig, type ConfigOptions } from '../config/resolve.ts';
import { assumptionsFor, describeAssumption, Given } from '../plan/assumptions.ts';
import { baseConfig } from '../plan/base-config.ts';
import { planRun } from '../plan/plan.ts';
import { flagOf, renderPlan } from '../plan/render.ts';
import { earlierSpeeds, measureSpeeds, type Speeds } from '../plan/speeds.ts';
import { probesFolder } from '../probes.ts';
import { accelerator } from '../setup/accelerator.mjs';
import type { PipelineConfig } from '../../schemas/config.ts';
import { artifactFolder } from './artifact-folder.ts';
import { configOptions } from './config.ts';

interface PlanOptions extends ConfigOptions, Given {
  readonly model?: string;
  readonly measure?: boolean;
  readonly json?: boolean;
}

const names = Object.keys(Given.shape) as (keyof Given)[];

const parseGiven =
  (name: keyof Given) =>
  (text: string): number => {
    const parsed = Given.shape[name].safeParse(text.trim() === '' ? Number.NaN : Number(text));
    if (parsed.success && parsed.data !== undefined) return parsed.data;
    throw new InvalidArgumentError(parsed.error?.issues[0]?.message ?? 'It is a number.');
  };

/** Speeds of earlier runs, where there is a store to look them up in. */
async function rememberedSpeeds(config: PipelineConfig): Promise<Speeds> {
  try {
    const store = await connectStore();
    try {
      return await earlierSpeeds(store, config);
    } finally {
      store.close();
    }
  } catch (error) {
    if (error instanceof NotConnected) return { train: undefined, sample: undefined };
    throw error;
  }
}

async function plan(options: PlanOptions, command: Command): Promise<void> {
  if (options.measure === true && options.model === undefined)
    command.error('error: --measure needs --model, the folder of a model to train and sample with', {
      exitCode: 2,
    });
  const { config } = await resolveConfig(options);
  const given = Given.parse(
    Object.fromEntries(names.flatMap((name) => (options[name] === undefined ? [] : [[name, options[name]]]))),
  );
  const before = assumptionsFor(config, given);
  await using folder = options.model === undefined ? undefined : await artifactFolder(options.model);
  const model = await baseConfig(config.base, folder?.path);
  const tokens = (...parts: (keyof Given)[]): number =>
    Math.round(parts.reduce((sum, part) => sum + (before[part]?.value ?? 0), 0));
  const speeds =
    options.measure === true && folder !== undefined
      ? await measureSpeeds(config, folder.path, {
          row: tokens('tokensPerQuestion', 'tokensPerTrace'),
          prompt: tokens('tokensPerQuestion', 'tokensPerGuideline'),
        })
      : await rememberedSpeeds(config);
  const assumed = {
    ...before,
    trainSpeed: before.trainSpeed ?? speeds.train,
    sampleSpeed: before.sampleSpeed ?? speeds.sample,
  };
  const compute = await resolveCompute(config.compute, probesFolder());
  const stages = await planRun(config, model, compute, assumed);
  const kind = accelerator();
  process.stdout.write(
    options.json === true
      ? `${JSON.stringify({ preset: config.preset, accelerator: kind, assumed, stages }, null, 2)}\n`
      : renderPlan(stages, assumed, kind),
  );
}

export const register = (program: Command): void => {
  const command = configOptions(program.command('plan'))
    .description('say what a run will take, stage by stage: tokens, memory, hours, cost')
    .option('--model <dir>', "a model folder whose shapes stand for the base's")
    .option('--measure', 'train and sample with --model for some seconds, to know how fast this machine is');
  for (const name of names) command.option(`${flagOf(name)} <x>`, describeAssumption(name), parseGiven(name));
  command
    .option('--json', 'print one JSON document')
    .addHelpText(
      'after',
      `
Behind each number stands where it comes from: config, counted (in files that are here), predicted (from the graph that
would run), measured (with --measure), earlier run (of this store), given (with an option) or assumed.

  mmedexpert plan --preset paper-2b
  mmedexpert plan --preset paper-2b --model models/Qwen2-VL-2B-Instruct --measure
  mmedexpert plan --preset paper-7b --train-speed 9000 --sample-speed 1500 --minutes-per-review 5`,
    )
    .action(plan);
};
