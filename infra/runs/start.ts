import { WorkflowNotFoundError } from '@temporalio/client';
import { ulid } from 'ulid';
import { runWorkflowId } from '../../activities/shell/review.ts';
import { digestOf } from '../../artifacts/canonical.ts';
import { createRun, listRuns, updateRun } from '../../artifacts/runs.ts';
import { caseSources, teacherRequest, withoutPath, type PipelineConfig } from '../../schemas/config.ts';
import type { Digest } from '../../schemas/digest.ts';
import type { Reference } from '../../schemas/reference.ts';
import type { RunRecord } from '../../schemas/run-record.ts';
import { workflowVersion } from '../code-version.ts';
import type { Connection } from '../connect.ts';
import { queuesOf } from './queues.ts';
import { putSources } from './sources.ts';

export interface Started {
  readonly runId: string;
  /** The open run of the same configuration, sources and code that was found. */
  readonly joined: boolean;
  /** Open runs of other workflow code that were ended for it. */
  readonly ended: readonly string[];
}

/** What makes two runs the same: the configuration without addresses and paths, and the content of the sources. */
const identityOf = (config: PipelineConfig, sources: Record<string, Reference>): Digest =>
  digestOf({
    ...config,
    base: withoutPath(config.base),
    sources: Object.fromEntries(
      Object.entries(caseSources(config)).map(([name, described]) => [name, withoutPath(described)]),
    ),
    synthesize: { ...config.synthesize, teacher: teacherRequest(config.synthesize.teacher) },
    content: Object.fromEntries(Object.entries(sources).map(([name, { digest }]) => [name, digest])),
  });

async function isOpen({ client, store }: Connection, { runId }: RunRecord): Promise<boolean> {
  try {
    const { status } = await client.workflow.getHandle(runWorkflowId(store.id, runId)).describe();
    return status.name === 'RUNNING';
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return false;
    throw error;
  }
}

const close = (connection: Connection, runId: string, status: 'failed' | 'cancelled', error: string) =>
  updateRun(connection.store, runId, (record) => ({
    ...record,
    status,
    error,
    endedAt: new Date().toISOString(),
  }));

/**
 * Puts the sources into the store and starts a run, or joins the open one that is the same. Open runs of other workflow
 * code are ended first: they could not be replayed, and the store makes starting anew cheap.
 */
export async function startRun(connection: Connection, config: PipelineConfig): Promise<Started> {
  const { store, client, home } = connection;
  const sources = await putSources(store, config, home);
  const configDigest = identityOf(config, sources);
  const codeVersion = await workflowVersion();
  const ended: string[] = [];
  for (const record of (await listRuns(store)).filter(({ status }) => status === 'running')) {
    const open = await isOpen(connection, record);
    if (!open) await close(connection, record.runId, 'failed', 'its workflow is gone');
    else if (record.codeVersion !== codeVersion) {
      await client.workflow
        .getHandle(runWorkflowId(store.id, record.runId))
        .terminate('the workflow code changed');
      await close(connection, record.runId, 'cancelled', 'the workflow code changed');
      ended.push(record.runId);
    } else if (record.configDigest === configDigest) return { runId: record.runId, joined: true, ended };
  }
  const runId = ulid();
  await createRun(store, {
    version: 1,
    runId,
    preset: config.preset,
    configDigest,
    config: JSON.parse(JSON.stringify(config)) as RunRecord['config'],
    codeVersion,
    status: 'running',
    startedAt: new Date().toISOString(),
    steps: [],
  });
  const queues = queuesOf(connection.config, store.id);
  await client.workflow.start('pipeline', {
    workflowId: runWorkflowId(store.id, runId),
    taskQueue: queues.orchestrate,
    args: [
      {
        runId,
        storeId: store.id,
        config,
        sources,
        queues,
        limits: {
          heartbeatTimeoutMs: connection.config.timeouts.heartbeatMs,
          stageTimeoutMs: connection.config.timeouts.stageMs,
          shardsInFlight: connection.config.shardsInFlight,
        },
      },
    ],
    staticSummary: config.preset,
  });
  return { runId, joined: false, ended };
}
