import { PipelineConfig } from '../../schemas/config.ts';
import { PresetName, presets } from '../../schemas/presets.ts';
import { variants } from '../../schemas/variants.ts';
import { ConfigError } from './config-error.ts';
import { parseSetting, readLayer, type Layer } from './layer.ts';
import { nearest } from './nearest.ts';
import { overlay, treeAt, type Tree } from './overlay.ts';
import { problemsOf } from './problems.ts';
import { leavesOf } from './schema-walk.ts';

/** What a command line says about the configuration. */
export interface ConfigOptions {
  readonly preset?: string | undefined;
  /** A YAML or JSON file of some values; its `preset` counts where the command line names none. */
  readonly config?: string | undefined;
  readonly variant?: readonly string[] | undefined;
  /** `KEY=VALUE` each. */
  readonly set?: readonly string[] | undefined;
}

export interface ResolvedConfig {
  readonly config: PipelineConfig;
  /** Where each leaf was written, by dotted path: a preset, a file, a variant, `--set`, or `default`. */
  readonly origins: ReadonlyMap<string, string>;
}

/** The named entry of a table. Throws `ConfigError` that lists the names. */
const named = <T>(table: Readonly<Record<string, T>>, name: string, what: string, from: string): T => {
  const entry = Object.hasOwn(table, name) ? table[name] : undefined;
  if (entry !== undefined) return entry;
  const names = Object.keys(table);
  const near = nearest(name, names);
  const problem = { from, path: name, message: `is no ${what}; there are ${names.join(', ')}` };
  throw new ConfigError([near === undefined ? problem : { ...problem, nearest: near }]);
};

const presetOf = (options: ConfigOptions, file: Layer | undefined): PresetName => {
  const inFile = file?.values['preset'];
  const name =
    options.preset ??
    (typeof inFile === 'string' ? inFile : inFile === undefined ? 'demo' : JSON.stringify(inFile));
  named(presets, name, 'preset', options.preset === undefined ? (file?.from ?? '') : '--preset');
  return PresetName.parse(name);
};

/**
 * Resolves a configuration: preset, then config file, then variants in order, then `--set` in order, the later on top.
 * Throws `ConfigError` that names every unknown or wrong key, where it was written and the nearest right one.
 */
export const resolveConfig = async (options: ConfigOptions): Promise<ResolvedConfig> => {
  const file = options.config === undefined ? undefined : await readLayer(options.config);
  const preset = presetOf(options, file);
  const origins = new Map<string, string>();
  const lay = (under: Tree, layer: Layer): Tree =>
    overlay(under, layer.values, layer.from, PipelineConfig, origins);

  let tree = lay({}, { from: `preset ${preset}`, values: presets[preset] });
  if (file !== undefined) tree = lay(tree, { from: file.from, values: { ...file.values, preset } });
  for (const name of options.variant ?? []) {
    const { values } = named(variants, name, 'variant', '--variant');
    tree = lay(tree, { from: `variant ${name}`, values: values as Tree });
  }
  for (const setting of options.set ?? []) {
    const { path, value } = parseSetting(setting);
    if (path[0] === 'preset')
      throw new ConfigError([{ from: '--set', path: 'preset', message: 'is chosen with --preset' }]);
    tree = lay(tree, { from: '--set', values: treeAt(path, value, tree) as Tree });
  }

  const parsed = PipelineConfig.safeParse(tree);
  if (!parsed.success) throw new ConfigError(problemsOf(parsed.error, PipelineConfig, tree, origins));
  const leaves = leavesOf(parsed.data).map(([path]): [string, string] => [
    path,
    origins.get(path) ?? 'default',
  ]);
  return { config: parsed.data, origins: new Map(leaves) };
};
