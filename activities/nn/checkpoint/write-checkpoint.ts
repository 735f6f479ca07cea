/** Writing a Hugging Face model folder, tensor by tensor, in shards of a given size. */
import { bytesOf, elementsOf, type Dtype } from './dtype.ts';
import { INDEX_FILE, SINGLE_FILE } from './checkpoint.ts';
import { readJson, writeJson, writeText, type ReadFolder, type WriteFolder } from './files.ts';
import { streamSafetensors, type TensorBytes } from './safetensors-file.ts';
import { MAPPABLE, type TensorSpec } from './safetensors.ts';

/** Files of a model folder that are not its weights and belong with them. */
export const COMPANIONS: readonly string[] = [
  'generation_config.json',
  'preprocessor_config.json',
  'processor_config.json',
  'video_preprocessor_config.json',
  'chat_template.jinja',
  'chat_template.json',
  'tokenizer.json',
  'tokenizer_config.json',
  'special_tokens_map.json',
  'added_tokens.json',
  'vocab.json',
  'merges.txt',
];

const TORCH_NAMES: Partial<Record<Dtype, string>> = {
  F64: 'float64',
  F32: 'float32',
  BF16: 'bfloat16',
  F16: 'float16',
};

const bytesOfSpec = ({ dtype, shape }: TensorSpec): number => bytesOf(dtype) * elementsOf(shape);

/** Tensors by name order, cut before the one that would make a shard larger than `shardBytes`. */
const cutShards = (specs: readonly TensorSpec[], shardBytes: number): TensorSpec[][] => {
  const shards: TensorSpec[][] = [];
  let room = 0;
  for (const spec of specs.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    const bytes = bytesOfSpec(spec);
    if (bytes > room || shards.length === 0) {
      shards.push([]);
      room = shardBytes;
    }
    shards.at(-1)!.push(spec);
    room -= bytes;
  }
  return shards;
};

const five = (n: number): string => String(n).padStart(5, '0');

/**
 * Writes the weights: `model.safetensors`, or shards and their index if they take more than `shardBytes`.
 *
 * `produce` is called once for each tensor, in the order of the bytes, so that only two are in memory.
 */
export const writeWeights = async (
  folder: WriteFolder,
  specs: readonly TensorSpec[],
  produce: (spec: TensorSpec) => Promise<TensorBytes> | TensorBytes,
  shardBytes: number,
): Promise<void> => {
  const shards = cutShards(specs, shardBytes);
  if (shards.length <= 1) {
    await streamSafetensors(folder, SINGLE_FILE, specs, produce, MAPPABLE);
    return;
  }
  const weightMap: [string, string][] = [];
  for (const [i, shard] of shards.entries()) {
    const name = `model-${five(i + 1)}-of-${five(shards.length)}.safetensors`;
    await streamSafetensors(folder, name, shard, produce, MAPPABLE);
    weightMap.push(...shard.map((spec): [string, string] => [spec.name, name]));
  }
  await writeJson(folder, INDEX_FILE, {
    metadata: { total_size: specs.reduce((sum, spec) => sum + bytesOfSpec(spec), 0) },
    weight_map: Object.fromEntries(weightMap),
  });
};

/** Sets `dtype` or `torch_dtype` wherever a config states one. */
const withDtype = (value: unknown, torchName: string): unknown => {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, field]) =>
      key === 'dtype' || key === 'torch_dtype' ? [key, torchName] : [key, withDtype(field, torchName)],
    ),
  );
};

/**
 * Copies config, tokenizer, chat template and processor settings of a model. `dtype` is that of the new weights where
 * it differs from the old ones'.
 */
export const copyCompanions = async (from: ReadFolder, to: WriteFolder, dtype?: Dtype): Promise<void> => {
  const there = await from.list();
  const config = await readJson(from, 'config.json');
  const torchName = dtype === undefined ? undefined : TORCH_NAMES[dtype];
  await writeJson(to, 'config.json', torchName === undefined ? config : withDtype(config, torchName));
  for (const name of COMPANIONS)
    if (there.includes(name)) await writeText(to, name, await from.readText(name));
};
