/** A task vector on disk: `vector.safetensors` (float32, tensors by canonical name) and `provenance.json`. */
import { VectorProvenance } from '../../schemas/vector-provenance.ts';
import { sameShape, show } from '../nn/ops/shape.ts';
import type { Checkpoint } from '../nn/checkpoint/checkpoint.ts';
import { readJson, writeJson, type ReadFolder, type WriteFolder } from '../nn/checkpoint/files.ts';
import { openSafetensors, type SafetensorsFile } from '../nn/checkpoint/safetensors-file.ts';

export const VECTOR_FILE = 'vector.safetensors';
const PROVENANCE_FILE = 'provenance.json';

/** The vector does not belong to the model. */
export class VectorError extends Error {
  override readonly name = 'VectorError';
}

export interface StoredVector {
  readonly path: string;
  readonly file: SafetensorsFile;
  readonly provenance: VectorProvenance;
}

/** Opens a vector for a model; tensors that the model lacks, other shapes and other types are errors that list them. */
export const openVector = async (folder: ReadFolder, base: Checkpoint): Promise<StoredVector> => {
  const provenance = VectorProvenance.parse(await readJson(folder, PROVENANCE_FILE));
  const file = await openSafetensors(folder, VECTOR_FILE);
  for (const { name, dtype, shape } of file.tensors.values()) {
    const wanted = base.tensors.get(name);
    if (wanted !== undefined && dtype === 'F32' && sameShape(wanted.shape, shape)) continue;
    await file.close();
    throw new VectorError(
      `${file.path}: tensor ${name} is ${dtype} ${show(shape)}, ${base.path} has ${wanted === undefined ? 'no such tensor' : show(wanted.shape)}; vectors are F32`,
    );
  }
  return { path: folder.path, file, provenance };
};

export const writeVectorProvenance = (folder: WriteFolder, base: string, model: string): Promise<void> =>
  writeJson(folder, PROVENANCE_FILE, VectorProvenance.parse({ version: 1, base, model }));
