/**
 * A Hugging Face model folder: config.json and its tensors, in one safetensors file or in shards with an index.
 *
 * Tensors are known by their canonical names (`tensor-names.ts`), whatever the file calls them. A folder opens only if
 * it holds exactly the tensors that its config describes, with their shapes.
 */
import { z } from 'zod';
import { parseModelConfig, type ModelConfig } from '../models/config.ts';
import { modelParameters } from '../models/parameters.ts';
import { elementsOf, isFloating } from './dtype.ts';
import { readJson, type FileRange, type ReadFolder } from './files.ts';
import { openSafetensors, type SafetensorsFile } from './safetensors-file.ts';
import type { TensorSpec } from './safetensors.ts';
import { canonicalName, listNames } from './tensor-names.ts';

export const SINGLE_FILE = 'model.safetensors';
export const INDEX_FILE = 'model.safetensors.index.json';

export interface Checkpoint {
  readonly path: string;
  readonly config: ModelConfig;
  /** Every tensor by its canonical name, text model first; the patch embedding's shape is 2-D or 5-D as stored. */
  readonly tensors: ReadonlyMap<string, TensorSpec>;
  /** Where a tensor's stored bytes can be mapped, if they can. */
  range(name: string): FileRange | undefined;
  /** A tensor as float32. */
  read(name: string): Promise<Float32Array>;
  /** A tensor's stored bytes. */
  readRaw(name: string): Promise<Uint8Array>;
  /** The same into an array of their number. */
  readInto(name: string, bytes: Uint8Array): Promise<void>;
  /** The same in parts, each of which holds until the next is asked for. */
  parts(name: string): AsyncIterable<Uint8Array>;
  close(): Promise<void>;
}

/** The folder is not a complete model, or not the one its config describes. */
export class CheckpointError extends Error {
  override readonly name = 'CheckpointError';
}

const Index = z.looseObject({ weight_map: z.record(z.string(), z.string()) });

const PLAIN_NAME = /^[^/\\]+\.safetensors$/;

/** Names of the files with tensors; for shards also which file the index puts each tensor in. */
const filesOf = async (
  folder: ReadFolder,
): Promise<{ readonly files: readonly string[]; readonly index?: ReadonlyMap<string, string> }> => {
  const names = await folder.list();
  if (names.includes(SINGLE_FILE)) return { files: [SINGLE_FILE] };
  if (!names.includes(INDEX_FILE))
    throw new CheckpointError(`${folder.path}: neither ${SINGLE_FILE} nor ${INDEX_FILE} is there`);
  const path = `${folder.path}/${INDEX_FILE}`;
  const read = Index.safeParse(await readJson(folder, INDEX_FILE));
  if (!read.success) throw new CheckpointError(`${path}: ${z.prettifyError(read.error)}`);
  const index = new Map(Object.entries(read.data.weight_map));
  const files = [...new Set(index.values())].toSorted();
  const odd = files.find((file) => !PLAIN_NAME.test(file));
  if (odd !== undefined)
    throw new CheckpointError(
      `${path}: ${JSON.stringify(odd)} is not the name of a safetensors file beside it`,
    );
  const missing = files.filter((file) => !names.includes(file));
  if (missing.length > 0) throw new CheckpointError(`${path}: shards are missing: ${listNames(missing)}`);
  return { files, index };
};

interface Located {
  readonly file: SafetensorsFile;
  /** The name in the file. */
  readonly stored: string;
}

const locate = (
  folder: ReadFolder,
  files: ReadonlyMap<string, SafetensorsFile>,
  index: ReadonlyMap<string, string> | undefined,
): Map<string, Located> => {
  const located = new Map<string, Located>();
  for (const [fileName, file] of files)
    for (const stored of file.tensors.keys()) {
      if (index !== undefined && index.get(stored) !== fileName)
        throw new CheckpointError(
          `${file.path}: holds tensor ${stored}, which ${INDEX_FILE} puts in ${index.get(stored) ?? 'no file'}`,
        );
      const name = canonicalName(stored);
      if (located.has(name))
        throw new CheckpointError(`${folder.path}: tensor ${name} is there twice, also as ${stored}`);
      located.set(name, { file, stored });
    }
  const absent = [...(index ?? [])].filter(([stored, file]) => !files.get(file)?.tensors.has(stored));
  if (absent.length > 0)
    throw new CheckpointError(
      `${folder.path}/${INDEX_FILE}: tensors are not in their shards: ${listNames(absent.map(([name]) => name))}`,
    );
  return located;
};

/** Checks names, shapes and types against the config. */
const match = (
  folder: ReadFolder,
  config: ModelConfig,
  located: ReadonlyMap<string, Located>,
): Map<string, TensorSpec> => {
  const expected = modelParameters(config);
  const missing = expected.filter(({ name }) => !located.has(name)).map(({ name }) => name);
  const known = new Set(expected.map(({ name }) => name));
  const unknown = [...located.keys()].filter((name) => !known.has(name));
  if (missing.length + unknown.length > 0) {
    const head = config.text.tied && unknown.includes('lm_head.weight');
    throw new CheckpointError(
      [
        `${folder.path}: its tensors are not those that config.json describes`,
        ...(missing.length > 0 ? [`missing: ${listNames(missing)}`] : []),
        ...(unknown.length > 0 ? [`unknown: ${listNames(unknown)}`] : []),
        ...(head ? ['tie_word_embeddings is true, so lm_head.weight must not be stored'] : []),
      ].join('; '),
    );
  }
  const specs = new Map<string, TensorSpec>();
  for (const { name, shape: wanted } of expected) {
    const { file, stored } = located.get(name)!;
    const { dtype, shape } = file.tensors.get(stored)!;
    // A convolution's kernel may be stored as such; only its first size and its number of elements are the matrix's.
    const fits =
      name === 'visual.patch_embed.proj.weight' && shape.length === 5
        ? shape[0] === wanted[0] && elementsOf(shape) === elementsOf(wanted)
        : shape.length === wanted.length && shape.every((n, i) => n === wanted[i]);
    if (!fits)
      throw new CheckpointError(
        `${file.path}: tensor ${stored} is [${shape.join(', ')}], config.json asks for [${wanted.join(', ')}]`,
      );
    if (!isFloating(dtype))
      throw new CheckpointError(`${file.path}: tensor ${stored} is ${dtype}, weights are floating-point`);
    specs.set(name, { name, dtype, shape });
  }
  return specs;
};

/** Reads and parses a folder's config.json. */
export const readModelConfig = async (folder: ReadFolder): Promise<ModelConfig> =>
  parseModelConfig(await readJson(folder, 'config.json'), `${folder.path}/config.json`);

/** Opens a model folder; throws `CheckpointError`, `ConfigError` or `SafetensorsError`, which name the file. */
export const openCheckpoint = async (folder: ReadFolder): Promise<Checkpoint> => {
  const config = await readModelConfig(folder);
  const { files: names, index } = await filesOf(folder);
  const files = new Map<string, SafetensorsFile>();
  const close = async (): Promise<void> => {
    for (const file of files.values()) await file.close();
  };
  try {
    for (const name of names) files.set(name, await openSafetensors(folder, name));
    const located = locate(folder, files, index);
    const tensors = match(folder, config, located);
    const find = (name: string): Located => {
      const found = located.get(name);
      if (found === undefined) throw new CheckpointError(`${folder.path}: has no tensor ${name}`);
      return found;
    };
    return {
      path: folder.path,
      config,
      tensors,
      range: (name) => find(name).file.range(find(name).stored),
      read: (name) => find(name).file.read(find(name).stored),
      readRaw: (name) => find(name).file.readBytes(find(name).stored),
      readInto: (name, bytes) => find(name).file.readInto(find(name).stored, bytes),
      parts: (name) => find(name).file.parts(find(name).stored),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
};
