/**
 * PEFT LoRA adapters on disk: `adapter_config.json`, `adapter_model.safetensors`, and of ours `provenance.json`.
 *
 * Legend: r rank, K inputs, N outputs of a linear layer; its update is s·B·A with A [r, K], B [N, r].
 */
import { AdapterProvenance } from '../../../schemas/adapter-provenance.ts';
import type { ModelConfig } from '../models/config.ts';
import { modelParameters } from '../models/parameters.ts';
import { adapterConfigJson, parseAdapterConfig, type AdapterSettings } from './adapter-config.ts';
import type { Dtype } from './dtype.ts';
import { readJson, writeJson, type ReadFolder, type WriteFolder } from './files.ts';
import { openSafetensors, writeSafetensors, type SafetensorsFile, type Tensor } from './safetensors-file.ts';
import { canonicalName, inMemoryName, listNames } from './tensor-names.ts';

const CONFIG_FILE = 'adapter_config.json';
const WEIGHTS_FILE = 'adapter_model.safetensors';
const PROVENANCE_FILE = 'provenance.json';
const PREFIX = 'base_model.model.';

/** The low-rank update of one linear layer. */
export interface LoraWeights {
  readonly rank: number;
  readonly alpha: number;
  /** [r, K] row-major. */
  readonly a: Float32Array;
  /** [N, r] row-major. */
  readonly b: Float32Array;
  readonly inputs: number;
  readonly outputs: number;
}

export interface Adapter {
  readonly path: string;
  readonly settings: Pick<AdapterSettings, 'rank' | 'alpha' | 'rankStabilised' | 'dropout' | 'baseModel'>;
  /** By the layer's canonical name without `.weight`, in the model's order. */
  readonly modules: ReadonlyMap<string, LoraWeights>;
  /** Digest of the weights it was trained on; unknown for adapters made elsewhere. */
  readonly trainedOn: string | undefined;
}

/** The adapter does not fit the model, or has keys nobody knows. */
export class AdapterError extends Error {
  override readonly name = 'AdapterError';
}

/** s: α/r, or α/√r if rank-stabilised. */
export const scaleOf = ({ rank, alpha }: LoraWeights, { rankStabilised }: Adapter['settings']): number =>
  alpha / (rankStabilised ? Math.sqrt(rank) : rank);

const KEY = /^base_model\.model\.(.+)\.lora_([AB])\.weight$/;

/** Sizes [N, K] of the layers that an adapter may update: every matrix but the embedding table. */
const linearLayers = (config: ModelConfig): Map<string, readonly [number, number]> =>
  new Map(
    modelParameters(config)
      .filter(({ name, shape }) => shape.length === 2 && name !== 'model.embed_tokens.weight')
      .map(({ name, shape }) => [name.replace(/\.weight$/, ''), [shape[0]!, shape[1]!]]),
  );

interface Keys {
  a?: string;
  b?: string;
}

const pairKeys = (
  file: SafetensorsFile,
  layers: ReadonlyMap<string, unknown>,
): Map<string, Required<Keys>> => {
  const found = new Map<string, Keys>();
  const unmatched: string[] = [];
  for (const key of file.tensors.keys()) {
    const [, path, side] = KEY.exec(key) ?? [];
    const module = canonicalName(path ?? '');
    const keys = found.get(module) ?? {};
    const slot = side === 'A' ? 'a' : 'b';
    if (path === undefined || !layers.has(module) || keys[slot] !== undefined) unmatched.push(key);
    else found.set(module, { ...keys, [slot]: key });
  }
  if (unmatched.length > 0)
    throw new AdapterError(
      `${file.path}: keys that match no linear layer of the model: ${listNames(unmatched)}`,
    );
  const halves = [...found]
    .filter(([, { a, b }]) => a === undefined || b === undefined)
    .map(([module]) => module);
  if (halves.length > 0)
    throw new AdapterError(`${file.path}: lora_A or lora_B is missing for ${listNames(halves)}`);
  if (found.size === 0) throw new AdapterError(`${file.path}: holds no LoRA matrices`);
  return found as Map<string, Required<Keys>>;
};

const readModules = async (
  file: SafetensorsFile,
  settings: AdapterSettings,
  config: ModelConfig,
): Promise<Map<string, LoraWeights>> => {
  const layers = linearLayers(config);
  const pairs = pairKeys(file, layers);
  const modules = new Map<string, LoraWeights>();
  for (const [module, [outputs, inputs]] of layers) {
    const keys = pairs.get(module);
    if (keys === undefined) continue;
    const stored = keys.a.slice(PREFIX.length, -'.lora_A.weight'.length);
    const rank = settings.rankOf(stored);
    const check = (key: string, wanted: readonly [number, number]): void => {
      const { shape } = file.tensors.get(key)!;
      if (shape.length !== 2 || shape[0] !== wanted[0] || shape[1] !== wanted[1])
        throw new AdapterError(
          `${file.path}: ${key} is [${shape.join(', ')}], the model and ${CONFIG_FILE} ask for [${wanted.join(', ')}]`,
        );
    };
    check(keys.a, [rank, inputs]);
    check(keys.b, [outputs, rank]);
    const [a, b] = [await file.read(keys.a), await file.read(keys.b)];
    modules.set(module, { rank, alpha: settings.alphaOf(stored), a, b, inputs, outputs });
  }
  return modules;
};

/** Reads an adapter for a model; any key that does not fit the model is an error that lists it. */
export const readAdapter = async (folder: ReadFolder, config: ModelConfig): Promise<Adapter> => {
  const names = await folder.list();
  const settings = parseAdapterConfig(await readJson(folder, CONFIG_FILE), `${folder.path}/${CONFIG_FILE}`);
  const provenance = names.includes(PROVENANCE_FILE)
    ? AdapterProvenance.parse(await readJson(folder, PROVENANCE_FILE))
    : undefined;
  const file = await openSafetensors(folder, WEIGHTS_FILE);
  try {
    const modules = await readModules(file, settings, config);
    return { path: folder.path, settings, modules, trainedOn: provenance?.trainedOn };
  } finally {
    await file.close();
  }
};

/** Writes an adapter under the names that transformers ≥ 4.52 and PEFT load. */
export const writeAdapter = async (
  folder: WriteFolder,
  adapter: Omit<Adapter, 'path'>,
  dtype: Dtype = 'F32',
): Promise<void> => {
  const tensors = new Map<string, Tensor>();
  for (const [module, { rank, a, b, inputs, outputs }] of adapter.modules) {
    const name = `${PREFIX}${inMemoryName(module)}`;
    tensors.set(`${name}.lora_A.weight`, { dtype, shape: [rank, inputs], data: a });
    tensors.set(`${name}.lora_B.weight`, { dtype, shape: [outputs, rank], data: b });
  }
  const ranks = [...adapter.modules].map(([module, { rank, alpha }]) => ({ module, rank, alpha }));
  await writeJson(folder, CONFIG_FILE, adapterConfigJson(ranks, adapter.settings));
  await writeSafetensors(folder, WEIGHTS_FILE, tensors);
  if (adapter.trainedOn !== undefined)
    await writeJson(
      folder,
      PROVENANCE_FILE,
      AdapterProvenance.parse({ version: 1, trainedOn: adapter.trainedOn }),
    );
};
