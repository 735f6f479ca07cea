import { MergeParams } from '../../schemas/merge-params.ts';
import { MergeReport, type TensorRounding } from '../../schemas/merge-report.ts';
import { defineStage, type StageIo } from '../stage.ts';
import { readAdapter } from '../nn/checkpoint/adapter.ts';
import { openCheckpoint, type Checkpoint } from '../nn/checkpoint/checkpoint.ts';
import { elementsOf, encode, type Dtype } from '../nn/checkpoint/dtype.ts';
import { writeJson, writeText } from '../nn/checkpoint/files.ts';
import { openSafetensors, streamSafetensors } from '../nn/checkpoint/safetensors-file.ts';
import type { TensorSpec } from '../nn/checkpoint/safetensors.ts';
import { copyCompanions, writeWeights } from '../nn/checkpoint/write-checkpoint.ts';
import { nodeFolder } from '../nn/runtime/files.ts';
import { checkTrainedOn, createWeightsDigest, weightsDigest } from '../nn/runtime/weights-digest.ts';
import { mergeCard } from './card.ts';
import { createMerge, MergeError, touchedTensors } from './merge.ts';
import { openVectorOf, type OpenVector } from './open-vector.ts';
import { applyVector, WORRYING_ERROR } from './rounding.ts';
import { lowRankProduct, type VectorSource } from './task-vector.ts';
import { checkTrainedOnSum } from './unrounded.ts';
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
  close(): Promise<void>;
}

/** Opens adapters and starting vectors, each checked against the exact weights it belongs to. */
const openSources = async (io: StageIo, base: Checkpoint, params: MergeParams): Promise<OpenSources> => {
  const baseDigest = await weightsDigest(base);
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
        start:
          counted && (async (tensor) => (counted.tensors.has(tensor) ? counted.read(tensor) : undefined)),
        startTensors: counted?.tensors,
      });
    }
    return { sources, baseDigest, close };
  } catch (error) {
    await close();
    throw error;
  }
};

/** First pass: the merged vector, float32, tensor by tensor into `vector.safetensors`. */
const writeVector = async (
  io: StageIo,
  base: Checkpoint,
  params: MergeParams,
  sources: readonly VectorSource[],
): Promise<void> => {
  const touched = touchedTensors(sources);
  const merge = await createMerge({
    params,
    sources,
    entriesOf: (tensor) => elementsOf(base.tensors.get(tensor)!.shape),
    base: (tensor) => base.read(tensor),
    product: lowRankProduct,
  });
  const specs = touched.map((name): TensorSpec => ({
    name,
    dtype: 'F32',
    shape: base.tensors.get(name)!.shape,
  }));
  let done = 0;
  await streamSafetensors(nodeFolder(io.outputs['vector']!), VECTOR_FILE, specs, async ({ name }) => {
    io.signal.throwIfAborted();
    const vector = await merge(name);
    io.progress({ done: ++done, total: touched.length, unit: 'tensor', figures: {} });
    return encode('F32', vector);
  });
};

/** Second pass: base + vector in the output type. Returns the report and the digest of what was written. */
const writeModel = async (
  io: StageIo,
  base: Checkpoint,
  params: MergeParams,
): Promise<{ readonly tensors: TensorRounding[]; readonly digest: string }> => {
  const out = nodeFolder(io.outputs['model']!);
  const dtype = params.outDtype === 'base' ? undefined : DTYPES[params.outDtype];
  const specs = [...base.tensors.values()].map((spec) => ({ ...spec, dtype: dtype ?? spec.dtype }));
  const vector = await openSafetensors(nodeFolder(io.outputs['vector']!), VECTOR_FILE);
  const tensors: TensorRounding[] = [];
  const digest = createWeightsDigest();
  const produce = async (spec: TensorSpec): Promise<Uint8Array> => {
    io.signal.throwIfAborted();
    if (!vector.tensors.has(spec.name))
      return base.tensors.get(spec.name)!.dtype === spec.dtype
        ? base.readRaw(spec.name)
        : encode(spec.dtype, await base.read(spec.name));
    const applied = applyVector(
      spec.name,
      await base.read(spec.name),
      await vector.read(spec.name),
      spec.dtype,
    );
    tensors.push(applied.rounding);
    return applied.bytes;
  };
  try {
    await copyCompanions(nodeFolder(io.inputs['base']!), out, dtype);
    await writeWeights(
      out,
      specs,
      async (spec) => {
        const bytes = await produce(spec);
        digest.add(spec, bytes);
        return bytes;
      },
      params.shardBytes,
    );
  } finally {
    await vector.close();
  }
  return { tensors: tensors.toSorted((a, b) => (a.name < b.name ? -1 : 1)), digest: digest.digest() };
};

/** Merges experts into the base (eq. 6–7): a full model, and the merged task vector it was made with. */
export const mergeStage = defineStage({
  name: 'merge',
  specVersion: 2,
  params: MergeParams,
  outputs: { model: 'checkpoint', vector: 'vector' },
  determinism: 'bitwise',
  resources: 'cpu',
  code: [
    'activities/merge/merge.ts',
    'activities/merge/rounding.ts',
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
      try {
        await writeVector(io, base, params, sources);
      } finally {
        await opened.close();
      }
      const { tensors, digest } = await writeModel(io, base, params);
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
      await writeJson(out, 'merge-report.json', report);
      await writeText(out, 'README.md', mergeCard(report));
      await writeVectorProvenance(nodeFolder(io.outputs['vector']!), baseDigest, digest);
      for (const name of warnings) io.log(`${name}: over half of the update is lost to rounding`);
      return { vectors: sources.length, tensors: tensors.length, warnings: warnings.length, weights: digest };
    } finally {
      await base.close();
    }
  },
});
