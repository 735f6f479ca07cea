import type { Client } from '@temporalio/client';
import type { ArtifactStore } from '../artifacts/store.ts';
import type { Digest } from '../schemas/digest.ts';
import type { Reference } from '../schemas/reference.ts';
import type { RunProgress, StepSpec } from '../schemas/step.ts';
import { executeStage, type ExecuteInput } from './shell/execute.ts';
import { failureOf } from './shell/failure.ts';
import { joinStep, type JoinInput } from './shell/join.ts';
import { lookupStep, quarantineArtifact } from './shell/lookup.ts';
import { recordRun } from './shell/record-run.ts';
import { acceptDecisions, openReview, reviewByRule, type RuleReview } from './shell/review.ts';

export interface ActivityDependencies {
  readonly store: ArtifactStore;
  readonly client: Client;
  /** Folder for scratch, on a disk that holds a few models. */
  readonly scratch: string;
  /** Folder of step logs. */
  readonly logs: string;
  /** Folder of measured speeds, which all workers of a machine share: keys depend on them. */
  readonly probes: string;
}

/** Turns what an activity throws into Temporal's terms, at the one edge where that happens. */
async function atEdge<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw failureOf(error);
  }
}

/** Everything that a run does outside its workflow, over one store and one Temporal namespace. */
export const createActivities = ({ store, client, scratch, logs, probes }: ActivityDependencies) => ({
  lookupStep: (spec: StepSpec) => atEdge(lookupStep(store, probes, spec)),
  quarantineArtifact: (digest: Digest) => atEdge(quarantineArtifact(store, digest)),
  recordRun: (progress: RunProgress) => atEdge(recordRun(store, progress)),
  openReview: (review: { traces: Reference; decisions: readonly Reference[] }) =>
    atEdge(openReview(store, scratch, review)),
  acceptDecisions: (review: { traces: Reference; decisions: Reference; earlier: readonly Reference[] }) =>
    atEdge(acceptDecisions(store, scratch, review)),
  reviewByRule: (review: RuleReview) => atEdge(reviewByRule(store, client, scratch, review)),
  joinStep: (input: JoinInput) => joinStep(client, input),
  executeStage: (input: ExecuteInput) => executeStage({ store, scratch, logs, probes }, input),
});

export type Activities = ReturnType<typeof createActivities>;
