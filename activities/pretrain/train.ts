/**
 * Trains a small Qwen2-VL from random weights, every parameter, the vision tower included.
 *
 * One graph a batch shape; images go through the vision tower with gradient. All parameters, both AdamW moments and the gradient are one flat variable each.
 */
import type { OptimizerSettings } from '../../schemas/optimizer-settings.ts';
import type { SftMetric } from '../../schemas/training-metric.ts';
import type { ModelConfig } from '../nn/models/config.ts';
import { embeddingsOf } from '../nn/models/position-ids.ts';
import type { Grid } from '../nn/models/position-ids.ts';
import { forwardVision } from '../nn/models/vision.ts';
import { Program } from '../nn/runtime/program.ts';
import { supervisedWeights } from '../nn/token-weights.ts';
import { distinctShapes, planShapes, planWindow } from '../nn/training/batch-shapes.ts';
import type { BatchShape } from '../nn/training/batch-shapes.ts';
import { addSupervisedEntry, entryOf } from '../nn/training/entries.ts';
import type { TrainedModel } from '../nn/training/entries.ts';
import { pairCostOf } from '../nn/training/label-logits.ts';
import { CHECKPOINT_SECONDS, runSteps } from '../nn/training/loop.ts';
import type { LoopSettings, LoopSummary } from '../nn/training/loop.ts';
import { imageIndexOf, packRows, rowSize, spreadOverLabels } from '../nn/training/rows.ts';
import type { TrainingRow } from '../nn/training/rows.ts';
import type { TrainingState } from '../nn/training/state.ts';
import { addUpdateEntry, createTrainer } from '../nn/training/trainer.ts';
import type { Batch } from '../nn/training/trainer.ts';
import { modelTensors, pretrainLayout, startModel } from './layout.ts';

/** A row whose images are patches [P, numbers of a patch], all of one grid. */
export interface PretrainRow extends TrainingRow {
  readonly pixels: readonly Float32Array[];
}

export interface PretrainJob {
  readonly config: ModelConfig;
  /** Of the initial weights. */
  readonly seed: number;
  readonly steps: number;
  readonly optimizer: OptimizerSettings;
  /** Rows of optimizer step `step` (from 0), a pure function of it. */
  rows(step: number): readonly PretrainRow[];
  /** Patches of every image. */
  readonly grid: Grid;
  readonly imagesPerRow: number;
  /** No row is longer. */
  readonly maxTokens: number;
  readonly lossNormalisation: 'sequence' | 'token';
  readonly execution: 'graph' | 'xla';
}

export interface PretrainIo {
  progress(done: number, figures: Readonly<Record<string, number>>): void;
  checkpoint(step: number, state: () => TrainingState): Promise<void>;
  readonly signal: AbortSignal;
}

export interface Pretrained {
  readonly tensors: Map<string, { readonly shape: readonly number[]; readonly data: Float32Array }>;
  readonly history: readonly SftMetric[];
  readonly summary: LoopSummary;
}

/** Graphs of the job, and steps whose rows are looked at to choose them, spread over all of it. */
const SHAPES = 4;
const SAMPLED_STEPS = 64;

/** Shapes for the rows of some steps, and one that takes whatever else may come. */
const shapesOf = (job: PretrainJob, imageTokens: number, pairCost: number): BatchShape[] => {
  const sampled = Math.min(SAMPLED_STEPS, job.steps);
  const windows = Array.from({ length: sampled }, (_, i) =>
    job.rows(Math.floor((i * job.steps) / sampled)).map(rowSize),
  );
  const rows = Math.max(...windows.map((w) => w.length));
  const tokens = rows * job.maxTokens;
  const worst = { rows, length: job.maxTokens, tokens, labels: tokens, images: rows * imageTokens };
  return distinctShapes([...planShapes(windows, { tokens, shapes: SHAPES, pairCost }), worst]);
};

/** Images of all rows one after another, then zeros. */
const joinPixels = (rows: readonly PretrainRow[], size: number): Float32Array => {
  const pixels = new Float32Array(size);
  let at = 0;
  for (const image of rows.flatMap((row) => row.pixels)) {
    pixels.set(image, at);
    at += image.length;
  }
  return pixels;
};

export const trainFromScratch = async (
  job: PretrainJob,
  io: PretrainIo,
  resume?: TrainingState,
  settings: LoopSettings = { checkpointSeconds: CHECKPOINT_SECONDS },
): Promise<Pretrained> => {
  const { config, grid } = job;
  const layout = pretrainLayout(config);
  const patches = grid.t * grid.h * grid.w;
  const patchNumbers = config.vision.patchNumbers;
  const tokensOfImage = embeddingsOf(grid, config.vision.mergeSize);
  const imageTokens = job.imagesPerRow * tokensOfImage;
  const model: TrainedModel = {
    config,
    layout: layout.flat,
    parameters: (_, trained) => ({ base: trained }),
    embedImages: (t, params, { images }) => {
      const slots = images / tokensOfImage;
      const pixels = t.input('pixels', [slots * patches, patchNumbers]);
      return forwardVision(t, params, config, { pixels, grids: Array.from({ length: slots }, () => grid) });
    },
  };
  const pairCost = pairCostOf(config.text);
  const shapes = shapesOf(job, imageTokens, pairCost);
  const program = new Program();
  for (const shape of shapes) addSupervisedEntry(program, model, shape);
  addUpdateEntry(program, layout.flat, job.optimizer);
  const session = await program.load({ execution: job.execution });
  try {
    const trainer = createTrainer(session, layout.flat, job.optimizer, job.steps);
    await trainer.start(resume?.arrays ?? { values: startModel(layout, job.seed) });
    const history = [...((resume?.state.history ?? []) as SftMetric[])];

    const feed = (rows: readonly PretrainRow[], shape: BatchShape, weights: readonly number[]): Batch => ({
      entry: entryOf(shape),
      feeds: {
        ...packRows(rows, shape),
        weights: spreadOverLabels(rows, shape, weights),
        ...(shape.images === 0
          ? {}
          : {
              pixels: joinPixels(rows, (shape.images / tokensOfImage) * patches * patchNumbers),
              imageIndex: imageIndexOf(rows, shape, config.imageTokenId),
            }),
      },
    });

    const summary = await runSteps(
      resume?.state.step ?? 0,
      job.steps,
      async (step) => {
        const rows = job.rows(step);
        const weights = supervisedWeights(
          rows.map((r) => r.targets.length),
          job.lossNormalisation,
        );
        const batches = planWindow(rows.map(rowSize), shapes, pairCost).map(({ shape, members }) =>
          feed(
            members.map((m) => rows[m] as PretrainRow),
            shape,
            members.map((m) => weights[m] ?? 0),
          ),
        );
        const { loss, gradNorm, learningRate } = await trainer.step(step, batches);
        const tokens = rows.reduce((sum, r) => sum + r.targets.length, 0);
        history.push({ step: step + 1, loss, learningRate, gradNorm, tokens });
        return {
          loss,
          gradNorm,
          learningRate,
          tokens: rows.reduce((sum, r) => sum + r.ids.length, 0),
          rows: rows.map((r) => r.id),
        };
      },
      {
        progress: (done, figures) => io.progress(done, figures),
        signal: io.signal,
        checkpoint: (step) =>
          io.checkpoint(step, () => ({
            state: {
              job: 'pretrain',
              step,
              totalSteps: job.steps,
              layout: layout.flat.entries.map((e) => ({ name: e.name, shape: [...e.shape] })),
              history: [...history],
            },
            arrays: trainer.capture(),
          })),
      },
      settings,
    );
    return { tensors: modelTensors(layout, trainer.capture().values), history, summary };
  } finally {
    session.dispose();
  }
};
