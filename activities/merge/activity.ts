import { createHash } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { MergeParams } from '../../schemas/merge-params.ts';
import { MergeReport, type TensorRounding } from '../../schemas/merge-report.ts';
import { defineStage, type StageIo } from '../stage.ts';
import { readAdapter } from '../nn/checkpoint/adapter.ts';
import { openCheckpoint, type Checkpoint } from '../nn/checkpoint/checkpoint.ts';
import { elementsOf, encode, toFloat32, type Dtype } from '../nn/checkpoint/dtype.ts';
import { writeJson, writeText } from '../nn/checkpoint/files.ts';
import { createSafetensors } from '../nn/checkpoint/safetensors-file.ts';
import type { TensorSpec } from '../nn/checkpoint/safetensors.ts';
import { copyCompanions, writeWeights } from '../nn/checkpoint/write-checkpoint.ts';
import { nodeFolder } from '../nn/runtime/files.ts';
import { openThreads, thisThread } from '../nn/runtime/threads.ts';
import {
  checkTrainedOn,
  digestOfTensors,
  tensorDigests,
  type TensorDigests,
} from '../nn/runtime/weights-digest.ts';
import { CARD_FILE, mergeCard, REPORT_FILE } from './card.ts';
import { createMerge, MergeError, type MergedTensor, type MergeThreads } from './merge.ts';
import { checkTrainedOnSum, openVectorOf, type OpenVector } from './open-vector.ts';
import { WORRYING_ERROR } from './rounding.ts';
import { touchedTensors, type VectorSource } from './task-vector.ts';
import { perform } from './tasks.ts';
import { VECTOR_FILE, writeVectorProvenance } from './vector-folder.ts';

const DTYPES: Record<Exclude<MergeParams['outDtype'], 'base'>, Dtype> = {
  float32: 'F32',
  bfloat16: 'BF16',
  float16: 'F16',
};

/** Inputs of one kind (`adapter.AM`, …) by the name behind the dot. */
const named = (io: StageIo, kind: string): Map<string, string> =>
  new Map(
    Object.entries(io.inputs).flatMap(([input, folder]) =>
      input.startsWith(`${kind}.`) ? [[input.slice(kind.length + 1), folder] as const] : [],
    ),
  );

interface OpenSources {
  readonly sources: readonly VectorSource[];
  readonly baseDigest: string;
  readonly baseDigests: TensorDigests;
  close(): Promise<void>;
}

/** Opens adapters and starting vectors, each checked against the exact weights it belongs to. */
const openSources = async (io: StageIo, base: Checkpoint, params: MergeParams): Promise<OpenSources> => {
  const baseDigests = await tensorDigests(base);
  const baseDigest = digestOfTensors(base.tensors.values(), baseDigests);
  const [adapters, starts] = [named(io, 'adapter'), named(io, 'start')];
  const sources: VectorSource[] = [];
  const open: OpenVector[] = [];
  const close = async (): Promise<void> => {
    for (const vector of open) await vector.close();
  };
  try {
    for (const name of new Set([...adapters.keys(), ...starts.keys()])) {
      const [adapterFolder, startFolder] = [adapters.get(name), starts.get(name)];
      const adapter = adapterFolder && (await readAdapter(nodeFolder(adapterFolder), base.config));
      const start = startFolder ? await openVectorOf(startFolder, base, baseDigest) : undefined;
      if (start !== undefined) open.push(start);
      if (adapter && start) await checkTrainedOnSum(adapter, base, start);
      else if (adapter) checkTrainedOn(adapter, baseDigest, base.path);
      const counted = adapter && params.rlVector === 'delta' ? undefined : start;
      sources.push({
        name,
        weight: params.weights[name] ?? 1,
        adapter: adapter || undefined,
        start: counted,
      });
    }
    return { sources, baseDigest, baseDigests, close };
  } catch (error) {
    await close();
    throw error;
  }
};

/** Entries of all vectors over which other threads are worth their start. */
const MANY_ENTRIES = 2 ** 23;

const openMergeThreads = (entries: number): MergeThreads =>
  entries < MANY_ENTRIES
    ? thisThread(perform)
    : openThreads(new URL('./tasks.ts', import.meta.url), availableParallelism());

interface Written {
  readonly tensors: readonly TensorRounding[];
  /** Digest of the model's weights. */
  readonly digest: string;
}

/** Writes the merged model, and the merged float32 vector where there is a folder for it, in one pass over the base. */
const writeMerged = async (
  io: StageIo,
  base: Checkpoint,
  params: MergeParams,
  { sources, baseDigests }: OpenSources,
): Promise<Written> => {
  const [modelFolder, vectorFolder] = [nodeFolder(io.outputs['model']!), io.outputs['vector']];
  const dtype = params.outDtype === 'base' ? undefined : DTYPES[params.outDtype];
  const specs = [...base.tensors.values()].map((spec) => ({ ...spec, dtype: dtype ?? spec.dtype }));
  const touched = touchedTensors(sources);
  const merging = new Set(touched);
  const shapeOf = (name: string): readonly number[] => base.tensors.get(name)!.shape;
  const entries = touched.reduce((sum, name) => sum + elementsOf(shapeOf(name)), 0);
  await using threads = openMergeThreads(entries * sources.length);
  const merge = await createMerge({
    params,
    sources,
    tensor: (name) => {
      const { shape, dtype: from } = base.tensors.get(name)!;
      return { shape, from, to: dtype ?? from };
    },
    readBase: (name, into) => base.readInto(name, into),
    keepVector: vectorFolder !== undefined,
    threads,
    signal: io.signal,
  });

  const tensors: TensorRounding[] = [];
  const digests = new Map(baseDigests);
  // A tensor is hashed and written while the threads merge the next one.
  const hashed = async function* (
    name: string,
    parts: AsyncIterable<Uint8Array>,
  ): AsyncGenerator<Uint8Array> {
    const hash = createHash('sha256');
    for await (const part of parts) {
      hash.update(part);
      yield part;
    }
    digests.set(name, hash.digest('hex'));
  };
  const converted = async function* ({ name, dtype: to }: TensorSpec, from: Dtype) {
    for await (const part of base.parts(name)) yield encode(to, toFloat32(from, part));
  };

  await copyCompanions(nodeFolder(io.inputs['base']!), modelFolder, dtype);
  const vectorSpecs = touched.map((name): TensorSpec => ({ name, dtype: 'F32', shape: shapeOf(name) }));
  const vector =
    vectorFolder && (await createSafetensors(nodeFolder(vectorFolder), VECTOR_FILE, vectorSpecs));
  const merged = async function* (name: string, { bytes, vector: tau }: MergedTensor) {
    if (vector && tau) await vector.put(name, encode('F32', tau));
    yield bytes;
  };
  const produce = async (spec: TensorSpec): Promise<AsyncIterable<Uint8Array>> => {
    io.signal.throwIfAborted();
    const { name } = spec;
    const from = base.tensors.get(name)!.dtype;
    if (!merging.has(name))
      return from === spec.dtype ? base.parts(name) : hashed(name, converted(spec, from));
    const made = await merge(name);
    tensors.push(made.rounding);
    io.progress({ done: tensors.length, total: touched.length, unit: 'tensor', figures: {} });
    return hashed(name, merged(name, made));
  };
  try {
    await writeWeights(modelFolder, specs, produce, params.shardBytes);
  } finally {
    if (vector) await vector.close();
  }
  return {
    tensors: tensors.toSorted((a, b) => (a.name < b.name ? -1 : 1)),
    digest: digestOfTensors(specs, digests),
  };
};

/**
 * Merges experts into the base (eq. 6–7): a full model, and the merged task vector it was made with, which the command
 * line may do without.
 */
export const mergeStage = defineStage({
  name: 'merge',
  specVersion: 2,
  params: MergeParams,
  outputs: { model: 'checkpoint', vector: 'vector' },
  determinism: 'bitwise',
  resources: 'cpu',
  code: [
    'activities/merge/merge.ts',
    'activities/merge/tasks.ts',
    'activities/merge/card.ts',
    'activities/merge/vector-folder.ts',
    'activities/nn/checkpoint/write-checkpoint.ts',
  ],
  async run(params, io) {
    const base = await openCheckpoint(nodeFolder(io.inputs['base']!));
    try {
      const opened = await openSources(io, base, params);
      const { sources, baseDigest } = opened;
      if (sources.length === 0) throw new MergeError('no adapter and no vector is given');
      const { tensors, digest } = await writeMerged(io, base, params, opened).finally(() => opened.close());
      const warnings = tensors
        .filter(({ relativeError }) => relativeError > WORRYING_ERROR)
        .map(({ name }) => name);
      const report = MergeReport.parse({
        version: 2,
        params,
        agreement: null,
        vectors: sources.map(({ name, weight }) => ({ name, weight })),
        tensors,
        warnings,
      });
      const out = nodeFolder(io.outputs['model']!);
      await writeJson(out, REPORT_FILE, report);
      await writeText(out, CARD_FILE, mergeCard(report));
      const vector = io.outputs['vector'];
      if (vector !== undefined) await writeVectorProvenance(nodeFolder(vector), baseDigest, digest);
      for (const name of warnings) io.log(`${name}: over half of the update is lost to rounding`);
      return { vectors: sources.length, tensors: tensors.length, warnings: warnings.length, weights: digest };
    } finally {
      await base.close();
    }
  },
});
