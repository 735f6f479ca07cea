/** Loss and token accuracy on rows that are not trained on, forward only. */
import type { HostArray } from '../ops/dtype.ts';
import type { Session } from '../runtime/session.ts';
import { supervisedWeights } from '../token-weights.ts';
import { planShapes, planWindow } from './batch-shapes.ts';
import type { BatchShape, ShapeLimits } from './batch-shapes.ts';
import { entryOf } from './entries.ts';
import { yieldToEventLoop } from './loop.ts';
import { rowSize } from './rows.ts';
import type { TrainingRow } from './rows.ts';

/** Rows laid into batches once for all validations of a training. */
export interface ValidationPlan<R> {
  readonly shapes: readonly BatchShape[];
  readonly batches: readonly {
    readonly shape: BatchShape;
    readonly rows: readonly R[];
    /** Weight of each row's label tokens. */
    readonly weights: readonly number[];
  }[];
  /** Label tokens of all rows. */
  readonly labels: number;
}

/** Rows that are laid into batches together. */
const WINDOW = 64;

/** The rows count as one step of training would count them: their weights are those of `normalisation` over all rows. */
export const planValidation = <R extends TrainingRow>(
  rows: readonly R[],
  normalisation: 'sequence' | 'token',
  limits: ShapeLimits,
): ValidationPlan<R> => {
  const sizes = rows.map(rowSize);
  const starts = Array.from({ length: Math.ceil(rows.length / WINDOW) }, (_, i) => i * WINDOW);
  const windows = starts.map((from) => sizes.slice(from, from + WINDOW));
  const shapes = planShapes(windows, limits);
  const counts = sizes.map(({ labels }) => labels);
  const weights = supervisedWeights(counts, normalisation);
  const batches = windows.flatMap((window, w) =>
    planWindow(window, shapes, limits.pairCost).map(({ shape, members }) => {
      const own = members.map((m) => (starts[w] ?? 0) + m);
      return {
        shape,
        rows: own.map((i) => rows[i] as R),
        weights: own.map((i) => weights[i] ?? 0),
      };
    }),
  );
  return { shapes, batches, labels: counts.reduce((sum, n) => sum + n, 0) };
};

/** The validation loss of some rows is NaN or infinite. */
export class ValidationDiverged extends Error {
  override readonly name = 'ValidationDiverged';
}

export interface ValidationFigures {
  readonly validationLoss: number;
  readonly validationTokenAccuracy: number;
}

/** Validates the trained values as the session holds them. Throws `signal.reason` between batches once it is aborted. */
export const validate = async <R extends TrainingRow>(
  session: Session,
  plan: ValidationPlan<R>,
  feedsOf: (
    rows: readonly R[],
    shape: BatchShape,
    weights: readonly number[],
  ) => Promise<Readonly<Record<string, HostArray>>>,
  signal: AbortSignal,
): Promise<ValidationFigures> => {
  let loss = 0;
  let hits = 0;
  for (const { shape, rows, weights } of plan.batches) {
    await yieldToEventLoop();
    signal.throwIfAborted();
    const found = session.run(entryOf(shape, 'validate'), await feedsOf(rows, shape, weights));
    const part = found['loss']?.[0] ?? NaN;
    if (!Number.isFinite(part))
      throw new ValidationDiverged(
        `the validation loss is ${part} on rows ${rows.map(({ id }) => id).join(', ')}. ` +
          'Look at these rows; if they are sound, the training has gone wrong: try a lower learningRate or maxGradNorm 1.',
      );
    loss += part;
    hits += found['hits']?.[0] ?? NaN;
  }
  return { validationLoss: loss, validationTokenAccuracy: hits / plan.labels };
};
