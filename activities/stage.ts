import type { z } from 'zod';
import type { ArtifactKind } from '../schemas/artifact-kind.ts';
import type { ResolvedCompute } from '../schemas/config/compute.ts';
import type { StageName } from '../schemas/stage-name.ts';
import type { Progress } from '../schemas/progress.ts';

/**
 * What a running stage sees of the world: folders to read, folders to fill, and a way to tell how far it is.
 * It has no store, no network credentials and no Temporal; the same function serves the pipeline and the command line.
 */
export interface StageIo {
  /** Folder of each input artifact, by the name the action gives it (`model`, `data`, `adapter.AM`, …). Read only. */
  readonly inputs: Readonly<Record<string, string>>;
  /** Empty folder of each output artifact, to be filled. */
  readonly outputs: Readonly<Record<string, string>>;
  /** What numbers it computes with, and how. */
  readonly compute: ResolvedCompute;
  /** Folder of the newest sound checkpoint of this very action, if one is there. */
  readonly resume: string | undefined;
  /** Keeps what `write` puts into the folder it is given as the checkpoint of optimizer step `step`. */
  checkpoint(step: number, write: (folder: string) => Promise<void>): Promise<void>;
  progress(event: Progress): void;
  /** A line for the step's log. */
  log(line: string): void;
  /** Aborted on cancellation: save what is worth saving and throw `signal.reason`. */
  readonly signal: AbortSignal;
}

/** Figures of a finished stage that belong to the action's result, not to an artifact: counts, throughput, losses. */
export type StageSummary = Readonly<Record<string, number | string | boolean | null>>;

/** One stage of the pipeline, declared beside its code in `activities/<stage>/activity.ts`. */
export interface Stage<P = unknown> {
  readonly name: StageName;
  /** Raised when the meaning of what the I/O shell writes changes; part of every action key. */
  readonly specVersion: number;
  /** Parameters with their defaults; a parameter equal to its default is left out of the action key. */
  readonly params: z.ZodType<P>;
  /** Kind of each output, by name. */
  readonly outputs: Readonly<Record<string, ArtifactKind>>;
  readonly determinism: 'bitwise' | 'tolerance' | 'recorded';
  /** `gpu` stages run in a supervised child process on a `gpu` queue; `cpu` stages in the worker itself. */
  readonly resources: 'cpu' | 'gpu';
  /** Pure entry files, relative to the project's root: the code digest covers their module graphs. */
  readonly code: readonly string[];
  run(params: P, io: StageIo): Promise<StageSummary>;
}

/** A stage whose parameters are known only by its schema. */
export interface AnyStage extends Omit<Stage<never>, 'params'> {
  readonly params: z.ZodType;
}

/** Types a stage's declaration by its parameter schema. */
export const defineStage = <P>(stage: Stage<P>): Stage<P> => stage;
