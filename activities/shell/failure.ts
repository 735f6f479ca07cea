import { ApplicationFailure, CancelledFailure } from '@temporalio/common';
import { CorruptInput, StoreError } from '../../artifacts/errors.ts';
import { ChildDied, StageFailed } from './supervise.ts';

/** The worker runs other code, or on another kind of machine, than the action was keyed for. */
export class StaleWorker extends Error {
  override name = 'StaleWorker' as const;
}

const innermost = (error: Error): Error => (error.cause instanceof Error ? innermost(error.cause) : error);

/** Whether another attempt may end differently: passing trouble of machines and networks, never of the inputs. */
function passing(error: Error): boolean {
  if (error instanceof StoreError) return error.retryable;
  if (error instanceof ChildDied || error instanceof StaleWorker) return true;
  const type = error instanceof StageFailed ? error.type : error.name;
  return ['TeacherUnavailable', 'ProbeFailed', 'DamagedMeasurement'].includes(type);
}

/**
 * The one place where errors become Temporal failures: permanent ones are not tried again, a damaged input carries the
 * digest that the workflow quarantines, cancellation stays what it is.
 */
export function failureOf(error: unknown): Error {
  if (error instanceof CancelledFailure) return error;
  if (error instanceof ApplicationFailure) return error;
  if (!(error instanceof Error)) return ApplicationFailure.nonRetryable(String(error));
  if (error instanceof CorruptInput)
    return ApplicationFailure.nonRetryable(error.message, 'CorruptInput', error.digest);
  const inner = innermost(error);
  if (inner instanceof ApplicationFailure)
    return ApplicationFailure.nonRetryable(inner.message, inner.type, ...(inner.details ?? []));
  const type = error instanceof StageFailed ? error.type : error.name;
  return passing(error)
    ? ApplicationFailure.retryable(error.message, type)
    : ApplicationFailure.nonRetryable(error.message, type);
}
