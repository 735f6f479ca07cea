import { InvalidArgumentError, type Command } from 'commander';
import { stringify } from 'yaml';
import { z } from 'zod';
import { PipelineConfig } from '../../schemas/config.ts';
import { presetSources, type PresetName } from '../../schemas/presets.ts';
import { resolveConfig, type ConfigOptions, type ResolvedConfig } from '../config/resolve.ts';
import { leavesOf } from '../config/schema-walk.ts';

interface ShowOptions extends ConfigOptions {
  readonly sources?: boolean;
  readonly json?: boolean;
}

/** One value of a configuration and where it comes from. */
interface SourcedValue {
  readonly path: string;
  readonly value: unknown;
  /** Who wrote it: a preset, a file, a variant, `--set`, or `default`. */
  readonly from: string;
  /** What a paper's preset says of it: `paper, eq. 4: …` or `assumed: …`. */
  readonly source?: string;
}

const collect = (value: string, previous: string[]): string[] => [...previous, value];

const setting = (value: string, previous: string[]): string[] => {
  if (!/^[^=]+=/.test(value))
    throw new InvalidArgumentError('It is KEY=VALUE, such as sft.AM.learningRate=1e-4.');
  return [...previous, value];
};

/** Adds the options that say which configuration is meant; `run` takes the same ones. */
export const configOptions = (command: Command): Command =>
  command
    .option('--preset <name>', 'demo (the default), paper-2b or paper-7b')
    .option('--config <file>', 'YAML or JSON file of values that differ from the preset')
    .option('--variant <name>', "a row of the paper's tables; may be given again", collect, [])
    .option(
      '--set <key=value>',
      'one value, such as sft.AM.learningRate=1e-4; may be given again',
      setting,
      [],
    );

/** Each value of a resolved configuration with its origin, and with its source where a paper's preset wrote it. */
const sourcedValues = ({ config, origins }: ResolvedConfig): SourcedValue[] => {
  const sources = presetSources[config.preset as PresetName] ?? {};
  return leavesOf(config).map(([path, value]) => {
    const from = origins.get(path) ?? 'default';
    const source = from.startsWith('preset ') ? sources[path] : undefined;
    if (source === undefined) return { path, value, from };
    const words =
      source.from === 'paper' ? `paper, ${source.where}: ${source.says}` : `assumed: ${source.reason}`;
    return { path, value, from, source: words };
  });
};

const show = async (options: ShowOptions): Promise<void> => {
  const resolved = await resolveConfig(options);
  const values = sourcedValues(resolved);
  if (options.json === true) {
    process.stdout.write(`${JSON.stringify(options.sources === true ? values : resolved.config, null, 2)}\n`);
  } else if (options.sources === true) {
    for (const { path, value, from, source } of values) {
      process.stdout.write(
        `${path} = ${JSON.stringify(value)}\n    ${source === undefined ? from : `${from}; ${source}`}\n`,
      );
    }
  } else {
    process.stdout.write(stringify(resolved.config, { lineWidth: 110 }));
  }
};

export const register = (program: Command): void => {
  const config = program.command('config').description('show the configuration of a run, or its schema');
  configOptions(config.command('show').description('print the resolved configuration, as YAML'))
    .option('--sources', 'say of each value who wrote it, and of a paper preset where the paper states it')
    .option('--json', 'print JSON')
    .action(show);
  config
    .command('schema')
    .description('print the JSON Schema of a resolved configuration')
    .option('--json', 'print JSON, which it always is')
    .action(() => {
      process.stdout.write(`${JSON.stringify(z.toJSONSchema(PipelineConfig, { io: 'input' }), null, 2)}\n`);
    });
};
