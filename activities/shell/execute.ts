import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { Context, heartbeat } from '@temporalio/activity';
import { actionKey } from '../../artifacts/action-key.ts';
import { dropCheckpoints, newestCheckpoint, saveCheckpoint } from '../../artifacts/checkpoints.ts';
import { recordResult } from '../../artifacts/record-result.ts';
import type { ArtifactStore } from '../../artifacts/store.ts';
import type { ArtifactKind } from '../../schemas/artifact-kind.ts';
import type { ResolvedCompute } from '../../schemas/config/compute.ts';
import type { Digest } from '../../schemas/digest.ts';
import type { Progress } from '../../schemas/progress.ts';
import type { Reference } from '../../schemas/reference.ts';
import type { Json, StepSpec } from '../../schemas/step.ts';
import type { AnyStage, StageIo, StageSummary } from '../stage.ts';
import { actionOf } from './action-of.ts';
import { caseIdsOf } from './case-ids.ts';
import { failureOf, StaleWorker } from './failure.ts';
import { withMlflow } from './mlflow.ts';
import { StepLog } from './step-log.ts';
import { childEnvironment, supervise } from './supervise.ts';

export interface ExecuteInput {
  readonly spec: StepSpec;
  readonly key: Digest;
}

export interface Executed {
  readonly outputs: Record<string, Reference>;
  readonly summary: Record<string, Json>;
}

export interface Executor {
  readonly store: ArtifactStore;
  /** Folder for scratch; each attempt has one of its own under it, removed at its end. */
  readonly scratch: string;
  /** Folder of step logs, one file a key. */
  readonly logs: string;
  /** Folder of measured speeds. */
  readonly probes: string;
}

/** Artifacts whose rows name cases; their manifests carry the ids. */
const WITH_CASES: ReadonlySet<ArtifactKind> = new Set([
  'cases',
  'traces',
  'sft-data',
  'predictions',
  'rollouts',
]);

/**
 * Computes an action: fetches its inputs, goes on from its newest sound checkpoint, runs the stage, publishes what it
 * made and then the record of it. Stages that compute on TensorFlow run in a child process without store or network.
 */
export async function executeStage(
  { store, scratch, logs, probes }: Executor,
  { spec, key }: ExecuteInput,
): Promise<Executed> {
  const context = Context.current();
  const signal = context.cancellationSignal;
  const startedAt = new Date().toISOString();
  const attempt = context.info.attempt;
  await mkdir(scratch, { recursive: true });
  const work = await mkdtemp(path.join(scratch, `${spec.step.replaceAll('/', '-')}-`));
  const log = await StepLog.open(logs, key);
  let latest: Progress = { done: 0, total: 0, unit: 'starting', figures: {} };
  const beat = setInterval(() => heartbeat(latest), 1000);
  try {
    const { stage, action, compute: numbers } = await actionOf(spec, probes);
    if (actionKey(action) !== key)
      throw new StaleWorker(
        `${spec.step} was keyed for other code or another kind of machine than this worker's`,
      );
    log.line(`${spec.step}: attempt ${attempt} on ${os.hostname()}`);

    const inputs: Record<string, string> = {};
    let synthetic = false;
    for (const [name, { digest }] of Object.entries(spec.inputs)) {
      const folder = path.join(work, 'in', name);
      const manifest = await store.fetch(digest, folder, { signal });
      synthetic ||= manifest.synthetic === true;
      inputs[name] = folder;
    }
    const outputs: Record<string, string> = {};
    for (const name of Object.keys(stage.outputs)) {
      outputs[name] = path.join(work, 'out', name);
      await mkdir(outputs[name], { recursive: true });
    }
    const resumeFolder = path.join(work, 'resume');
    const { found: checkpoint, notes } = await newestCheckpoint(store, key, resumeFolder, { signal });
    notes.forEach((note) => log.line(note));
    if (checkpoint) log.line(`goes on from the checkpoint of step ${checkpoint.step}`);

    const run = { name: spec.step, key, params: spec.params, signal };
    const summary = await withMlflow(
      run,
      (line) => log.line(line),
      (track) =>
        compute(stage, spec, {
          compute: numbers,
          inputs,
          outputs,
          checkpoints: path.join(work, 'checkpoints'),
          resume: checkpoint ? resumeFolder : undefined,
          signal,
          onProgress: (event) => {
            latest = event;
            track(event);
          },
          onLog: (line) => log.line(line),
          keep: async (step, folder) => {
            await saveCheckpoint(store, key, step, folder);
            await rm(folder, { recursive: true, force: true });
          },
        }),
    );

    latest = { ...latest, unit: 'publishing' };
    const published: Record<string, Reference> = {};
    for (const [name, kind] of Object.entries(stage.outputs)) {
      const folder = outputs[name]!;
      const caseIds = WITH_CASES.has(kind) ? { caseIds: await caseIdsOf(folder) } : {};
      published[name] = await store.putFolder(folder, { kind, synthetic, ...caseIds }, { signal });
    }
    log.line(`done: ${JSON.stringify(summary)}`);
    const recorded = await recordResult(store, action, {
      outputs: published,
      summary: { ...summary },
      logDigest: await store.putBlob(await log.bytes()),
      startedAt,
      endedAt: new Date().toISOString(),
      attempt,
      host: os.hostname(),
      ...(checkpoint ? { resumedFrom: checkpoint.step } : {}),
      recorded: { node: process.version },
    });
    if (recorded.status === 'different' && stage.determinism === 'bitwise')
      log.line(`NOT DETERMINISTIC: ${JSON.stringify(recorded.different)}; the first result stands`);
    await dropCheckpoints(store, key);
    return { outputs: recorded.result.outputs, summary: { ...summary } };
  } catch (error) {
    log.line(error instanceof Error ? (error.stack ?? error.message) : String(error));
    if (signal.aborted) await context.cancelled;
    throw failureOf(error);
  } finally {
    clearInterval(beat);
    await log.close();
    await rm(work, { recursive: true, force: true });
  }
}

interface Attempt {
  readonly compute: ResolvedCompute;
  readonly inputs: Record<string, string>;
  readonly outputs: Record<string, string>;
  readonly checkpoints: string;
  readonly resume: string | undefined;
  readonly signal: AbortSignal;
  readonly onProgress: (event: Progress) => void;
  readonly onLog: (line: string) => void;
  readonly keep: (step: number, folder: string) => Promise<void>;
}

/** Runs the stage: in a child where it computes, here where it does not. */
async function compute(stage: AnyStage, spec: StepSpec, attempt: Attempt): Promise<StageSummary> {
  if (stage.resources === 'gpu')
    return supervise({
      job: {
        stage: spec.stage,
        params: spec.params,
        compute: attempt.compute,
        inputs: attempt.inputs,
        outputs: attempt.outputs,
        checkpoints: attempt.checkpoints,
        resume: attempt.resume ?? null,
      },
      env: childEnvironment(attempt.compute.intraOpThreads),
      signal: attempt.signal,
      graceMs: 20_000,
      onProgress: attempt.onProgress,
      onLog: attempt.onLog,
      onCheckpoint: attempt.keep,
    });
  const io: StageIo = {
    compute: attempt.compute,
    inputs: attempt.inputs,
    outputs: attempt.outputs,
    resume: attempt.resume,
    signal: attempt.signal,
    progress: attempt.onProgress,
    log: attempt.onLog,
    checkpoint: async (step, write) => {
      const folder = path.join(attempt.checkpoints, String(step));
      await mkdir(folder, { recursive: true });
      await write(folder);
      await attempt.keep(step, folder);
    },
  };
  return stage.run(stage.params.parse(spec.params) as never, io);
}
