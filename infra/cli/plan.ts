import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { InvalidArgumentError, type Command } from 'commander';
import { openProcessor, type Processor } from '../../activities/nn/checkpoint/processor.ts';
import { nodeFolder } from '../../activities/nn/runtime/files.ts';
import { resolveCompute } from '../../activities/shell/arithmetic.ts';
import { NotConnected, connectStore } from '../connect.ts';
import { resolveConfig, type ConfigOptions } from '../config/resolve.ts';
import { assumptionsFor, describeAssumption, Given } from '../plan/assumptions.ts';
import { baseConfig } from '../plan/base-config.ts';
import { plannedCases, type PlannedCases } from '../plan/cases.ts';
import { keepSpeeds, keptSpeeds } from '../plan/kept-speeds.ts';
import { planRun, taughtSources } from '../plan/plan.ts';
import type { Quantity } from '../plan/quantity.ts';
import { flagOf, renderPlan } from '../plan/render.ts';
import { rowSizes } from '../plan/row-sizes.ts';
import { earlierSpeeds, measuredSpeeds, measureSpeeds, speedSetting, type Speeds } from '../plan/speeds.ts';
import { probesFolder } from '../probes.ts';
import { accelerator } from '../setup/accelerator.mjs';
import { caseSources, type PipelineConfig } from '../../schemas/config.ts';
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

/** The tokenizer, template and image settings of a folder that has them. */
const processorIn = async (folder: string, maxPixels: number): Promise<Processor | undefined> =>
  existsSync(join(folder, 'tokenizer.json')) ? openProcessor(nodeFolder(folder), maxPixels) : undefined;

const wholeTokens = (quantity: Quantity | undefined): number => Math.max(1, Math.round(quantity?.value ?? 1));

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
  const compute = await resolveCompute(config.compute, probesFolder());
  const processor = folder && (await processorIn(folder.path, config.base.maxPixels));
  const reader = { vision: model.vision, base: config.base, processor };
  const cases: Record<string, PlannedCases> = {};
  for (const [name, source] of Object.entries(caseSources(config)))
    cases[name] = await plannedCases(source, reader, given);

  const setting = await speedSetting(config, model, compute);
  if (options.measure === true && folder !== undefined) {
    const { row, prompt } = rowSizes(
      config,
      taughtSources(config).flatMap((name) => cases[name] ?? []),
      before,
    );
    const sizes = { row: wholeTokens(row), prompt: wholeTokens(prompt) };
    await keepSpeeds(probesFolder(), setting, await measureSpeeds(config, compute, folder.path, sizes));
  }
  const kept = await keptSpeeds(probesFolder(), setting);
  const speeds = kept === undefined ? await rememberedSpeeds(config) : measuredSpeeds(kept);
  const assumed = {
    ...before,
    trainSpeed: before.trainSpeed ?? speeds.train,
    sampleSpeed: before.sampleSpeed ?? speeds.sample,
  };
  const stages = await planRun(config, model, compute, cases, assumed);
  const kind = accelerator();
  process.stdout.write(
    options.json === true
      ? `${JSON.stringify({ preset: config.preset, accelerator: kind, cases, assumed, stages }, null, 2)}\n`
      : renderPlan(stages, { cases, assumed, given }, kind),
  );
}

export const register = (program: Command): void => {
  const command = configOptions(program.command('plan'))
    .description('say what a run will take, stage by stage: tokens, memory, hours, cost')
    .option(
      '--model <dir>',
      "a model folder whose shapes stand for the base's; its tokenizer counts questions that are here",
    )
    .option(
      '--measure',
      'train and sample with --model for some seconds, and remember how fast this machine is',
    );
  for (const name of names) command.option(`${flagOf(name)} <x>`, describeAssumption(name), parseGiven(name));
  command
    .option('--json', 'print one JSON document')
    .addHelpText(
      'after',
      `
Behind each number stands where it comes from: config, counted (in files that are here), predicted (from the graph that
would run), measured (with --measure, now or before), earlier run (of this store), given (with an option) or assumed.

  mmedexpert plan --preset paper-2b
  mmedexpert plan --preset paper-2b --model models/Qwen2-VL-2B-Instruct --measure
  mmedexpert plan --preset paper-7b --train-speed 9000 --sample-speed 1500 --minutes-per-review 5`,
    )
    .action(plan);
};
