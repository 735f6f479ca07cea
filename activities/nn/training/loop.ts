/**
 * The loop around optimizer steps: progress, checkpoints, cancellation, and a stop where the numbers are no longer
 * numbers. What a step computes is the job's own affair.
 */

/** How the loop reaches the world; a stage's I/O shell and the command line provide it. */
export interface LoopIo {
  progress(done: number, figures: Readonly<Record<string, number>>): void;
  /** Keeps the state after `step` steps. */
  checkpoint(step: number): Promise<void>;
  readonly signal: AbortSignal;
  /** Looks at the model after a step that went well; its time does not count as training. Undefined: nothing is looked at. */
  review?(done: number): Promise<Review | undefined>;
}

export interface Review {
  /** More figures for progress. */
  readonly figures: Readonly<Record<string, number>>;
  /** Whether the training ends here. */
  readonly last: boolean;
}

export interface LoopSettings {
  readonly checkpointSeconds: number;
  /** A checkpoint at every multiple of this many steps besides; undefined for none. */
  readonly checkpointSteps?: number | undefined;
}

export const CHECKPOINT_SECONDS = 30;

export interface StepReport {
  readonly loss: number;
  readonly gradNorm: number;
  readonly learningRate: number;
  /** Tokens that went through the model. */
  readonly tokens: number;
  /** More figures for progress. */
  readonly figures?: Readonly<Record<string, number>>;
  /** What the step trained on, for the message if it goes wrong. */
  readonly rows: readonly string[];
}

/** Loss or gradient of a step is NaN or infinite. The newest checkpoint is from before it. */
export class TrainingDiverged extends Error {
  override readonly name = 'TrainingDiverged';
  readonly step: number;
  readonly rows: readonly string[];
  constructor(step: number, report: StepReport) {
    const rows = report.rows.length > 16 ? [...report.rows.slice(0, 16), '…'] : report.rows;
    super(
      `step ${step}: loss ${report.loss}, gradient norm ${report.gradNorm}, at learning rate ${report.learningRate}, ` +
        `on rows ${rows.join(', ')}. The newest checkpoint is from before this step. ` +
        'Try a lower learningRate, a few warmupSteps or maxGradNorm 1, and look at these rows.',
    );
    this.step = step;
    this.rows = report.rows;
  }
}

export interface LoopSummary {
  readonly steps: number;
  readonly tokens: number;
  readonly seconds: number;
}

export const yieldToEventLoop = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/**
 * Runs steps `from` … `to - 1` (counted from 0). On cancellation the state is kept before `signal.reason` is thrown.
 * A step's synchronous work blocks the event loop, so the loop yields once after each: heartbeats and signals need it.
 */
export const runSteps = async (
  from: number,
  to: number,
  step: (index: number) => StepReport | Promise<StepReport>,
  io: LoopIo,
  settings: LoopSettings,
): Promise<LoopSummary> => {
  const start = performance.now();
  let kept = start;
  let tokens = 0;
  let reviewing = 0;
  let done = from;
  const secondsSoFar = (): number => (performance.now() - start - reviewing) / 1000;
  for (let index = from; index < to; index++) {
    await yieldToEventLoop();
    if (io.signal.aborted) {
      if (index > from) await io.checkpoint(index);
      throw io.signal.reason;
    }
    const report = await step(index);
    done = index + 1;
    if (!Number.isFinite(report.loss) || !Number.isFinite(report.gradNorm))
      throw new TrainingDiverged(done, report);
    tokens += report.tokens;
    const paused = performance.now();
    const review = await io.review?.(done);
    reviewing += performance.now() - paused;
    io.progress(done, {
      loss: report.loss,
      learningRate: report.learningRate,
      gradNorm: report.gradNorm,
      tokensPerSecond: tokens / secondsSoFar(),
      ...report.figures,
      ...review?.figures,
    });
    if (review?.last === true) break;
    const due = performance.now() - kept >= settings.checkpointSeconds * 1000;
    const atInterval = settings.checkpointSteps !== undefined && done % settings.checkpointSteps === 0;
    if (done < to && (due || atInterval)) {
      await io.checkpoint(done);
      kept = performance.now();
    }
  }
  return { steps: done - from, tokens, seconds: secondsSoFar() };
};
