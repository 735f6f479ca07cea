import { defineQuery, defineSignal, defineUpdate } from '@temporalio/workflow';
import type { Reference } from '../schemas/reference.ts';
import type { RunProgress } from '../schemas/step.ts';

/** How far a run is. */
export const progressQuery = defineQuery<RunProgress>('progress');

/**
 * Hands in review decisions as a reference to a decisions artifact; answers how many traces are still undecided.
 * Refused where no review is open or the reference is not one of decisions.
 */
export const decideUpdate = defineUpdate<number, [Reference]>('decide');

/** A run wants this step. */
export const joinSignal = defineSignal<[string]>('join');

/** A run wants this step no longer; a step that nobody wants stops. */
export const releaseSignal = defineSignal<[string]>('release');
