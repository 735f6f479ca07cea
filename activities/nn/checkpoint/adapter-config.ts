import { z } from 'zod';
import { inMemoryName } from './tensor-names.ts';

/** What an `adapter_config.json` says of how the adapter's matrices become an update. */
export interface AdapterSettings {
  readonly rank: number;
  readonly alpha: number;
  /** Scale α/√r instead of α/r. */
  readonly rankStabilised: boolean;
  readonly dropout: number;
  readonly baseModel: string | null;
  /** Rank and α of a module named as in the file, by the patterns or the defaults above. */
  rankOf(module: string): number;
  alphaOf(module: string): number;
}

/** adapter_config.json asks for something that is not implemented, or is not one. */
export class AdapterConfigError extends Error {
  override readonly name = 'AdapterConfigError';
}

const positive = z.number().positive();

const File = z.looseObject({
  peft_type: z.literal('LORA', { error: 'only LORA is implemented' }),
  r: z.int().positive(),
  lora_alpha: positive,
  lora_dropout: z.number().min(0).max(1).default(0),
  use_rslora: z.boolean().default(false),
  bias: z.literal('none', { error: 'only "none" is implemented' }).default('none'),
  // Other initialisations change the base weights that the adapter belongs to.
  init_lora_weights: z.union([z.boolean(), z.enum(['gaussian', 'eva', 'orthogonal'])]).default(true),
  rank_pattern: z.record(z.string(), z.int().positive()).nullish(),
  alpha_pattern: z.record(z.string(), positive).nullish(),
  base_model_name_or_path: z.string().nullish(),
});

/** Keys that do not change what a trained adapter computes: its matrices say where it applies. */
const IGNORED = new Set([
  'task_type',
  'target_modules',
  'exclude_modules',
  'inference_mode',
  'peft_version',
  'auto_mapping',
  'revision',
  'layers_to_transform',
  'layers_pattern',
  'loftq_config',
  'eva_config',
  'megatron_core',
  'qalora_group_size',
  'runtime_config',
]);

/** A value that switches nothing on. */
const isOff = (value: unknown): boolean =>
  value === null ||
  value === undefined ||
  value === false ||
  (typeof value === 'object' && Object.keys(value).length === 0);

/** PEFT's rule: the first pattern that matches the end of the module's name, from a dot. */
const patterns = (
  file: string,
  byPattern: Readonly<Record<string, number>>,
): ((name: string) => number | undefined) => {
  const compiled = Object.entries(byPattern).map(([pattern, value]) => {
    try {
      return { regex: new RegExp(`^(?:.*\\.)?(?:${pattern})$`), value };
    } catch {
      throw new AdapterConfigError(`${file}: pattern ${JSON.stringify(pattern)} is not a regular expression`);
    }
  });
  return (name) => compiled.find(({ regex }) => regex.test(name))?.value;
};

/** Reads a parsed adapter_config.json; `file` names it in errors. */
export const parseAdapterConfig = (json: unknown, file: string): AdapterSettings => {
  const read = File.safeParse(json);
  if (!read.success) throw new AdapterConfigError(`${file}: ${z.prettifyError(read.error)}`);
  const c = read.data;
  for (const [key, value] of Object.entries(c))
    if (!(key in File.shape) && !IGNORED.has(key) && !isOff(value))
      throw new AdapterConfigError(`${file}: ${key} = ${JSON.stringify(value)} is not implemented`);
  const rank = patterns(file, c.rank_pattern ?? {});
  const alpha = patterns(file, c.alpha_pattern ?? {});
  return {
    rank: c.r,
    alpha: c.lora_alpha,
    rankStabilised: c.use_rslora,
    dropout: c.lora_dropout,
    baseModel: c.base_model_name_or_path ?? null,
    rankOf: (module) => rank(module) ?? c.r,
    alphaOf: (module) => alpha(module) ?? c.lora_alpha,
  };
};

/** A module to be written, by its canonical name. */
export interface ModuleRank {
  readonly module: string;
  readonly rank: number;
  readonly alpha: number;
}

/**
 * An adapter_config.json that Python PEFT loads (the fields of PEFT 0.21). Modules are listed by the end of their names
 * from `layers.` on or from `visual.` on, which picks the same layers under the old and the new module names.
 */
export const adapterConfigJson = (
  modules: readonly ModuleRank[],
  settings: Pick<AdapterSettings, 'rank' | 'alpha' | 'rankStabilised' | 'dropout' | 'baseModel'>,
): Record<string, unknown> => {
  const differing = (key: 'rank' | 'alpha'): Record<string, number> =>
    Object.fromEntries(
      modules.filter((m) => m[key] !== settings[key]).map((m) => [inMemoryName(m.module), m[key]]),
    );
  return {
    alpha_pattern: differing('alpha'),
    auto_mapping: null,
    base_model_name_or_path: settings.baseModel,
    bias: 'none',
    exclude_modules: null,
    fan_in_fan_out: false,
    inference_mode: true,
    init_lora_weights: true,
    layer_replication: null,
    layers_pattern: null,
    layers_to_transform: null,
    lora_alpha: settings.alpha,
    lora_bias: false,
    lora_dropout: settings.dropout,
    modules_to_save: null,
    peft_type: 'LORA',
    peft_version: '0.21.2',
    r: settings.rank,
    rank_pattern: differing('rank'),
    target_modules: modules.map(({ module }) => module.replace(/^model\./, '')).toSorted(),
    task_type: 'CAUSAL_LM',
    use_dora: false,
    use_rslora: settings.rankStabilised,
  };
};
