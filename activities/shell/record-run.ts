import { putRef } from '../../artifacts/refs.ts';
import { updateRun } from '../../artifacts/runs.ts';
import type { ArtifactStore } from '../../artifacts/store.ts';
import type { RunProgress } from '../../schemas/step.ts';

/** Writes what a run came to into its record, and a ref `run/<id>/<step>` for each first output of a step. */
export async function recordRun(store: ArtifactStore, progress: RunProgress): Promise<void> {
  const status = progress.status === 'waiting-for-review' ? 'running' : progress.status;
  await updateRun(store, progress.runId, (record) => ({
    ...record,
    status,
    ...(status === 'running' ? {} : { endedAt: new Date().toISOString() }),
    ...(progress.error === undefined ? {} : { error: progress.error }),
    steps: progress.steps.flatMap(({ step, stage, key, verdict, state, reason, outputs, error }) =>
      key === undefined
        ? []
        : [
            {
              step,
              stage,
              key,
              verdict: verdict ?? 'computed',
              status:
                state === 'done'
                  ? ('done' as const)
                  : state === 'failed'
                    ? ('failed' as const)
                    : status === 'cancelled'
                      ? ('cancelled' as const)
                      : ('running' as const),
              outputs,
              ...(reason ? { reason } : {}),
              ...(error === undefined ? {} : { error }),
            },
          ],
    ),
  }));
  for (const { step, outputs } of progress.steps) {
    const named = Object.entries(outputs);
    for (const [name, reference] of named)
      await putRef(store, `run/${progress.runId}/${step}${named.length > 1 ? `/${name}` : ''}`, reference);
  }
}
