import path from 'node:path';
import { digestOfBytes } from '../../artifacts/canonical.ts';
import { SftRow } from '../../schemas/message.ts';
import { SftParams } from '../../schemas/sft-params.ts';
import { writeAdapter } from '../nn/checkpoint/adapter.ts';
import type { Grid } from '../nn/models/position-ids.ts';
import { nodeFolder } from '../nn/runtime/files.ts';
import { withTrainingModel } from '../nn/runtime/training-model.ts';
import { adapterLayout, trainedAdapter } from '../nn/training/adapter.ts';
import { encodeRow, withinLength } from '../nn/training/chat-rows.ts';
import type { ImagedRow, KeptRows } from '../nn/training/chat-rows.ts';
import { CHECKPOINT_SECONDS } from '../nn/training/loop.ts';
import type { LoopSettings } from '../nn/training/loop.ts';
import { companionsDigest, rowsDigest } from '../shell/input-digests.ts';
import { readRows } from '../shell/jsonl.ts';
import { peakMemory } from '../shell/peak-memory.ts';
import { trainingCheckpoints } from '../shell/training-checkpoints.ts';
import { writeMetrics } from '../shell/training-metrics.ts';
import { validationRows } from '../shell/validation-rows.ts';
import { defineStage } from '../stage.ts';
import type { StageIo, StageSummary } from '../stage.ts';
import { sftSteps, trainSft } from './train.ts';
import type { SftJob } from './train.ts';

/** Folders and files of a supervised training. */
export interface SftFiles {
  readonly model: string;
  /** A JSONL file of rows; image paths are relative to it. */
  readonly data: string;
  /** The same for rows to validate on; undefined where nothing is validated. */
  readonly validation?: string | undefined;
  /** Adapter to start from. */
  readonly adapter: string | undefined;
  /** Where the adapter and metrics.jsonl are written. */
  readonly out: string;
}

/** Trains an adapter from files to files; the stage and the command line share it. */
export const runSft = (
  files: SftFiles,
  params: SftParams,
  io: Omit<StageIo, 'inputs' | 'outputs'>,
  settings: LoopSettings = { checkpointSeconds: CHECKPOINT_SECONDS },
): Promise<StageSummary> =>
  withTrainingModel(files.model, async (training) => {
    const { config } = training.model.checkpoint;
    const { loadImage } = training.model;
    const grids = new Map<string, Grid>();
    const encodedRows = async (file: string): Promise<KeptRows<ImagedRow>> => {
      const rows = [];
      for (const [i, row] of (await readRows(file, SftRow)).entries()) {
        const images = row.images.map((image) => path.resolve(path.dirname(file), image));
        for (const image of images) if (!grids.has(image)) grids.set(image, (await loadImage(image)).grid);
        const own = images.map((image) => grids.get(image) as Grid);
        const named = { ...row, images };
        rows.push(encodeRow(training.model.processor, config, named, row.id ?? `${i + 1}`, own));
      }
      const kept = withinLength(rows, params.maxTokens, params.overlong);
      if (kept.dropped.length > 0)
        io.log(`dropped ${kept.dropped.length} rows of ${path.basename(file)} for their length`);
      return kept;
    };
    const kept = await encodedRows(files.data);
    const validation = await validationRows(
      files.validation,
      params.validateEvery,
      async (file) => (await encodedRows(file)).rows,
    );

    const layout = adapterLayout(config, params.rank, params.targets);
    const scale = params.alpha / params.rank;
    const job: SftJob = {
      config,
      compute: io.compute,
      params,
      rows: kept.rows,
      validation,
      grids: [...grids.values()],
      loadImage,
      start:
        files.adapter === undefined ? undefined : await training.readAdapter(files.adapter, layout, scale),
      resume: undefined,
      fillBase: (session) => training.fillBase(session, io.compute.dtype),
    };
    const totalSteps = sftSteps(job);
    const checkpoints = trainingCheckpoints(io, {
      job: 'sft',
      totalSteps,
      layout,
      setting: {
        params,
        compute: io.compute,
        inputs: {
          model: training.digest,
          companions: await companionsDigest(files.model),
          data: await rowsDigest(files.data, SftRow),
          validation: validation === undefined ? null : await rowsDigest(files.validation!, SftRow),
          adapter:
            job.start === undefined
              ? null
              : digestOfBytes(new Uint8Array(job.start.buffer, job.start.byteOffset, job.start.byteLength)),
        },
      },
    });
    const { values, keptStep, history, summary } = await trainSft(
      { ...job, resume: await checkpoints.resume() },
      {
        signal: io.signal,
        progress: (done, figures) =>
          io.progress({ done, total: totalSteps, unit: 'steps', figures: { ...figures } }),
        checkpoint: (step, state) => io.checkpoint(step, (folder) => checkpoints.write(folder, state)),
      },
      settings,
    );
    const trained = { ...params, trainedOn: training.digest };
    await writeAdapter(nodeFolder(files.out), trainedAdapter(config, layout, values, trained));
    await writeMetrics(files.out, history);
    return {
      steps: history.length,
      keptStep,
      rows: kept.rows.length,
      droppedRows: kept.dropped.length,
      firstLoss: history[0]?.loss ?? null,
      lastLoss: history.at(-1)?.loss ?? null,
      validationLoss: history[keptStep - 1]?.validationLoss ?? null,
      tokens: summary.tokens,
      seconds: summary.seconds,
      tokensPerSecond: summary.tokens / summary.seconds,
      paddingWaste: summary.paddingWaste,
      shapes: summary.shapes,
      peakMemoryBytes: peakMemory(),
    };
  });

/** One LoRA expert by supervised fine-tuning (section 3.2). */
export const sftStage = defineStage({
  name: 'sft',
  specVersion: 2,
  params: SftParams,
  outputs: { adapter: 'adapter' },
  determinism: 'bitwise',
  resources: 'gpu',
  code: [
    'activities/sft/train.ts',
    'activities/nn/training/chat-rows.ts',
    'activities/nn/runtime/training-model.ts',
  ],
  run: (params, io) =>
    runSft(
      {
        model: io.inputs['model']!,
        data: path.join(io.inputs['data']!, 'train.jsonl'),
        validation: path.join(io.inputs['data']!, 'validation.jsonl'),
        adapter: io.inputs['adapter'],
        out: io.outputs['adapter']!,
      },
      params,
      io,
    ),
});
