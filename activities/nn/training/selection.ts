/**
 * What follows from the validations of a training: which of its adapters is kept, and whether it goes on. It sees scores
 * of validation rows and nothing else. A lower score is better.
 */
import type { ValidationSettings } from '../../../schemas/validation-settings.ts';
import { StateMismatch } from './state.ts';

export interface Validation {
  /** Optimizer steps done. */
  readonly step: number;
  readonly score: number;
}

/** The best validation, the earliest of equals; undefined where there was none. */
export const bestOf = (validations: readonly Validation[]): Validation | undefined =>
  validations.reduce<Validation | undefined>(
    (best, one) => (best === undefined || one.score < best.score ? one : best),
    undefined,
  );

/**
 * Whether the last `patience` validations brought no improvement. An improvement is a score more than `minDelta` below
 * that of the improvement before it (as in Keras' EarlyStopping), so that many small steps down add up to one.
 */
export const isStalled = (
  validations: readonly Validation[],
  { patience, minDelta }: Pick<ValidationSettings, 'patience' | 'minDelta'>,
): boolean => {
  let reference = Infinity;
  let since = 0;
  for (const { score } of validations) {
    const improved = score < reference - minDelta;
    if (improved) reference = score;
    since = improved ? 0 : since + 1;
  }
  return patience !== null && since >= patience;
};

export interface Best extends Validation {
  readonly values: Float32Array;
}

export interface Selection {
  /** Whether the model is validated after `step` steps: at every multiple of `validateEvery`, and at the end. */
  due(step: number): boolean;
  /** Takes the score after a step; where it is the best and the best is kept, the trained values with it. */
  take(validation: Validation, values: () => Float32Array): void;
  stalled(): boolean;
  /** The best validation so far with the values it judged; undefined where the last ones are kept. */
  best(): Best | undefined;
}

/** Starts from the validations of a resumed training and the best values that its checkpoint holds. */
export const createSelection = (
  settings: ValidationSettings,
  totalSteps: number,
  past: readonly Validation[],
  pastBest: Float32Array | undefined,
): Selection => {
  const validations = [...past];
  const keeps = settings.keep === 'best';
  const before = keeps ? bestOf(past) : undefined;
  let best: Best | undefined = before && pastBest && { ...before, values: pastBest };
  if (before !== undefined && best === undefined)
    throw new StateMismatch(
      'the checkpoint to go on from was made with keep: last and holds no best adapter; go on with keep: last, or start anew without the checkpoints',
    );
  return {
    due: (step) =>
      settings.validateEvery !== null && (step % settings.validateEvery === 0 || step === totalSteps),
    take(validation, values) {
      validations.push(validation);
      if (keeps && bestOf(validations) === validation) best = { ...validation, values: values() };
    },
    stalled: () => isStalled(validations, settings),
    best: () => best,
  };
};
