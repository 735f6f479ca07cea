import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { DefaultLogger, Runtime, Worker } from '@temporalio/worker';
import { beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';

const HISTORIES = path.join(import.meta.dirname, 'histories');
const workflowsPath = fileURLToPath(new URL('../../workflows/index.ts', import.meta.url));

/** A recorded history and the id of its workflow, which some of its commands hold. */
const Recorded = z.object({ workflowId: z.string(), history: z.object({ events: z.array(z.unknown()) }) });

beforeAll(() => Runtime.install({ logger: new DefaultLogger('ERROR') }));

describe('workflow code', () => {
  const names = readdirSync(HISTORIES).filter((name) => name.endsWith('.json'));

  it('has recorded histories to hold it against', () => {
    expect(names.length).toBeGreaterThanOrEqual(4);
  });

  it.each(names)('replays %s', async (name) => {
    const { workflowId, history } = Recorded.parse(
      JSON.parse(readFileSync(path.join(HISTORIES, name), 'utf8')),
    );
    await Worker.runReplayHistory({ workflowsPath }, history, workflowId);
  });

  it('is refused where it would act otherwise than a history says', async () => {
    const name = names.find((candidate) => candidate.startsWith('step'))!;
    const { workflowId, history } = Recorded.parse(
      JSON.parse(readFileSync(path.join(HISTORIES, name), 'utf8')),
    );
    const other = JSON.parse(
      JSON.stringify(history).replaceAll('"executeStage"', '"somethingElse"'),
    ) as object;
    await expect(Worker.runReplayHistory({ workflowsPath }, other, workflowId)).rejects.toThrow(
      /[Nn]ondeterminism|not compatible/,
    );
  });
});
