/**
 * Supervised fine-tuning of a LoRA adapter (section 3.2, eq. 2-3): one expert, on the assistant's words only.
 *
 * Deviations from the transformers Trainer:
 * 1. By default a window's loss is the mean over its rows of each row's token mean; `lossNormalisation: token` is the
 *    Trainer's sum over all label tokens divided by their number.
 * 2. Rows of a window are batched where they fit; gradients of batches add up to those of the window in every case.
 */
import type { ResolvedCompute } from '../../schemas/config/compute.ts';
import type { SftParams } from '../../schemas/sft-params.ts';
import type { SftMetric } from '../../schemas/training-metric.ts';
import type { ModelConfig } from '../nn/models/config.ts';
import type { Grid } from '../nn/models/position-ids.ts';
import type { Session } from '../nn/runtime/session.ts';
import { supervisedWeights } from '../nn/token-weights.ts';
import { startAdapter } from '../nn/training/adapter-start.ts';
import { paddingWaste, planShapes, planWindow } from '../nn/training/batch-shapes.ts';
import type { BatchShape } from '../nn/training/batch-shapes.ts';
import type { ImagedRow } from '../nn/training/chat-rows.ts';
import { entryOf } from '../nn/training/entries.ts';
import { createEmbedder, joinEmbeds } from '../nn/training/image-embeds.ts';
import type { LoadImage } from '../nn/training/image-embeds.ts';
import { pairCostOf } from '../nn/training/label-logits.ts';
import { runSteps } from '../nn/training/loop.ts';
import type { LoopIo, LoopSettings, LoopSummary } from '../nn/training/loop.ts';
import { windowOrder } from '../nn/training/order.ts';
import { imageIndexOf, packRows, rowSize, spreadOverLabels } from '../nn/training/rows.ts';
import { createSelection } from '../nn/training/selection.ts';
import type { TrainingArrays, TrainingState } from '../nn/training/state.ts';
import { seeImages } from '../nn/training/trained-tower.ts';
import { createTrainer } from '../nn/training/trainer.ts';
import type { Batch } from '../nn/training/trainer.ts';
import { planValidation, validate } from '../nn/training/validation.ts';
import { sftProgram } from './program.ts';

export interface SftJob {
  readonly config: ModelConfig;
  readonly compute: Pick<ResolvedCompute, 'arithmetic' | 'execution'>;
  readonly params: SftParams;
  readonly rows: readonly ImagedRow[];
  /** Rows to validate on every `validateEvery` steps. */
  readonly validation?: readonly ImagedRow[] | undefined;
  /** Grids of all images. */
  readonly grids: readonly Grid[];
  readonly loadImage: LoadImage;
  /** Adapter to start from, flat; a fresh one where undefined. */
  readonly start: Float32Array | undefined;
  readonly resume: TrainingState | undefined;
  /** Writes the frozen weights into the variables of the group `base`. */
  fillBase(session: Session): Promise<void>;
}

export interface SftIo extends Pick<LoopIo, 'progress' | 'signal'> {
  checkpoint(step: number, state: TrainingState): Promise<void>;
}

export interface Trained {
  /** Of the last step, or of the best validation, as `keep` says. */
  readonly values: Float32Array;
  /** Optimizer steps behind these values. */
  readonly keptStep: number;
  readonly history: readonly SftMetric[];
  readonly summary: LoopSummary & { readonly paddingWaste: number; readonly shapes: number };
}

/** Graphs a job may have; each takes about a second to load and first run. */
export const SHAPES = 4;

export class NoRowsError extends Error {
  override readonly name = 'NoRowsError';
}

const windowsOf = (job: SftJob) => {
  const { accumulate, epochs, shuffle, seed } = job.params;
  if (job.rows.length === 0) throw new NoRowsError('there is no row to train on');
  return windowOrder(job.rows.length, { size: accumulate, epochs, shuffle, seed });
};

const imagesOf = (rows: readonly ImagedRow[]): string[] => rows.flatMap((row) => row.images);

export const sftSteps = (job: SftJob): number => windowsOf(job).steps;

export const trainSft = async (job: SftJob, io: SftIo, settings: LoopSettings): Promise<Trained> => {
  const { config, params } = job;
  const order = windowsOf(job);
  const rowsOf = (step: number): ImagedRow[] => order.window(step).map((i) => job.rows[i] as ImagedRow);
  const windows = Array.from({ length: order.steps }, (_, step) => rowsOf(step).map(rowSize));
  const pairCost = pairCostOf(config.text);
  const limits = { tokens: params.microBatchTokens, shapes: SHAPES, pairCost };
  const shapes = planShapes(windows, limits);
  // Shapes of their own, so that validating changes no bit of the training.
  const validation = planValidation(job.validation ?? [], params.lossNormalisation, limits);

  const { program, model, vision } = sftProgram(job, {
    shapes,
    validation: validation.shapes,
    grids: job.grids,
  });
  const { layout } = model;
  const session = await program.load({ execution: job.compute.execution });
  try {
    await job.fillBase(session);
    const trainer = createTrainer(session, layout, params, order.steps);
    const embedder = createEmbedder(session, job.loadImage, vision);
    const sight = { model, session, load: job.loadImage, graphs: vision.graphs, embedder };
    const begin: { values: Float32Array } & Partial<TrainingArrays> = job.resume?.arrays ?? {
      values: job.start ?? startAdapter(layout, params.seed),
    };
    await trainer.start(begin);
    const history = [...((job.resume?.state.history ?? []) as SftMetric[])];
    const validated = history.flatMap(({ step, validationLoss }) =>
      validationLoss === undefined ? [] : [{ step, score: validationLoss }],
    );
    const selection = createSelection(params, order.steps, validated, job.resume?.best);

    const rowFeeds = (
      own: readonly ImagedRow[],
      shape: BatchShape,
      weights: readonly number[],
    ): Batch['feeds'] => ({
      ...packRows(own, shape),
      weights: spreadOverLabels(own, shape, weights),
      ...(shape.images === 0 ? {} : { imageIndex: imageIndexOf(own, shape, config.imageTokenId) }),
    });
    const numbersOf = (shape: BatchShape): number => shape.images * config.text.hiddenSize;

    const validationFeeds = async (
      own: readonly ImagedRow[],
      shape: BatchShape,
      weights: readonly number[],
    ): Promise<Batch['feeds']> => ({
      ...rowFeeds(own, shape, weights),
      ...(shape.images === 0 ? {} : { images: await joinEmbeds(embedder, imagesOf(own), numbersOf(shape)) }),
    });

    const batchesOf = async (rows: readonly ImagedRow[], step: number): Promise<Batch[]> => {
      const counts = rows.map((row) => row.targets.length);
      const weights = supervisedWeights(counts, params.lossNormalisation);
      const batches: Batch[] = [];
      for (const { shape, members } of planWindow(rows.map(rowSize), shapes, pairCost)) {
        const own = members.map((m) => rows[m] as ImagedRow);
        const ownWeights = members.map((m) => weights[m] ?? 0);
        const place = { seed: params.seed, step, batch: batches.length };
        const seen = await seeImages(sight, imagesOf(own), numbersOf(shape), place);
        const feeds = { ...rowFeeds(own, shape, ownWeights), ...seen.feeds };
        batches.push({ ...seen, entry: entryOf(shape), feeds });
      }
      return batches;
    };

    const summary = await runSteps(
      job.resume?.state.step ?? 0,
      order.steps,
      async (step) => {
        const rows = rowsOf(step);
        const { loss, gradNorm, learningRate } = await trainer.step(step, await batchesOf(rows, step));
        if (model.trainsTower === true) embedder.forget();
        const labels = rows.reduce((sum, row) => sum + row.targets.length, 0);
        history.push({ step: step + 1, loss, learningRate, gradNorm, tokens: labels });
        const tokens = rows.reduce((sum, row) => sum + row.ids.length, 0);
        return { loss, gradNorm, learningRate, tokens, rows: rows.map((row) => row.id) };
      },
      {
        progress: (done, figures) => io.progress(done, figures),
        signal: io.signal,
        async review(step) {
          if (!selection.due(step)) return undefined;
          const figures = await validate(session, validation, validationFeeds, io.signal);
          history.push({ ...(history.pop() as SftMetric), ...figures });
          selection.take({ step, score: figures.validationLoss }, () => trainer.values());
          return { figures: { ...figures }, last: selection.stalled() };
        },
        checkpoint: (step) =>
          io.checkpoint(step, {
            state: {
              job: 'sft',
              step,
              totalSteps: order.steps,
              layout: layout.entries.map((e) => ({ name: e.name, shape: [...e.shape] })),
              history: [...history],
            },
            arrays: trainer.capture(),
            best: selection.best()?.values,
          }),
      },
      settings,
    );
    return {
      values: selection.best()?.values ?? trainer.values(),
      keptStep: selection.best()?.step ?? history.length,
      history,
      summary: { ...summary, paddingWaste: paddingWaste(windows, shapes, pairCost), shapes: shapes.length },
    };
  } finally {
    session.dispose();
  }
};
