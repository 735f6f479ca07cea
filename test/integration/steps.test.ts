import { spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import path from 'node:path';
import { WorkflowNotFoundError } from '@temporalio/client';
import { ulid } from 'ulid';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { chunkKey } from '../../artifacts/keys.ts';
import { stepWorkflowId } from '../../activities/shell/join.ts';
import { queuesOf } from '../../infra/runs/queues.ts';
import type { Reference } from '../../schemas/reference.ts';
import { demo } from '../../schemas/presets/demo.ts';
import type { StepSpec, StepState } from '../../schemas/step.ts';
import { planOf } from '../../workflows/plan.ts';
import { openLab, type Lab } from '../_workers.ts';

const BANK = path.resolve(import.meta.dirname, '../../infra/demo');
const small = {
  ...demo,
  sources: {
    ...demo.sources,
    train: {
      ...demo.sources.train,
      casesPerSpecialty: 4,
      format: 'clinic' as const,
      imageShare: 0,
      path: BANK,
    },
  },
};

let lab: Lab;
let bank: Reference;
let gpu: ChildProcess;

beforeAll(async () => {
  lab = await openLab();
  bank = await lab.connection.store.putFolder(BANK, { kind: 'source', synthetic: true });
  [gpu] = await Promise.all([
    lab.startWorker('gpu'),
    lab.startWorker('cpu'),
    lab.startWorker('orchestrate', 'wait'),
  ]);
}, 180_000);
afterAll(() => lab.close());

/** Takes steps for a run of their own, as the pipeline does. */
const take = async (runId: string, ...specs: StepSpec[]) => {
  const { client, store, config } = lab.connection;
  const queues = queuesOf(config, store.id);
  return client.workflow.start('shards', {
    workflowId: `test/${randomUUID()}`,
    taskQueue: queues.orchestrate,
    args: [
      {
        run: {
          runId,
          storeId: store.id,
          queues,
          limits: { heartbeatTimeoutMs: 5000, stageTimeoutMs: 600_000, shardsInFlight: 8 },
        },
        specs,
      },
    ],
  });
};
const statesOf = async (runId: string, ...specs: StepSpec[]) =>
  (await (await take(runId, ...specs)).result()) as StepState[];

const until = async (what: string, holds: () => Promise<boolean>, seconds = 30): Promise<void> => {
  const deadline = Date.now() + seconds * 1000;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`not within ${seconds} s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
};

describe('a step', () => {
  it('is computed once and then taken from the store', async () => {
    const spec = planOf(small).ingest('train', bank);
    const [first] = await statesOf(ulid(), spec);
    expect(first?.verdict).toBe('computed');
    // A lookup that is retried finds the pointer its own first attempt left, and then says `unfinished`.
    expect(['new', 'unfinished']).toContain(first?.reason?.kind);
    const [second] = await statesOf(ulid(), spec);
    expect(second?.verdict).toBe('hit');
    expect(second?.outputs).toEqual(first?.outputs);
  });

  it('says which parameter made it run again', async () => {
    const changed = { ...small, sources: { ...small.sources, train: { ...small.sources.train, seed: 501 } } };
    const [state] = await statesOf(ulid(), planOf(changed).ingest('train', bank));
    expect(state?.reason).toMatchObject({
      kind: 'params',
      changes: [{ path: 'params.seed', before: 500, after: 501 }],
    });
  });

  it('is executed once for two runs that want it at the same time', async () => {
    const other = { ...small, sources: { ...small.sources, train: { ...small.sources.train, seed: 502 } } };
    const spec = planOf(other).ingest('train', bank);
    const runs = await Promise.all([take(ulid(), spec), take(ulid(), spec), take(ulid(), spec)]);
    const verdicts = await Promise.all(
      runs.map(async (run) => ((await run.result()) as StepState[])[0]?.verdict),
    );
    expect(verdicts.filter((verdict) => verdict === 'computed')).toHaveLength(1);
  });

  it('fails for good where its parameters are wrong, and names them', async () => {
    const spec = {
      ...planOf(small).ingest('train', bank),
      step: 'ingest/wrong',
      params: { format: 'clinic' },
    };
    await expect(statesOf(ulid(), spec)).rejects.toMatchObject({
      cause: expect.objectContaining({ message: expect.stringContaining('casesPerSpecialty') }),
    });
  });

  it('computes a damaged input anew and goes on', async () => {
    const { store } = lab.connection;
    const ingest = planOf(small).ingest('train', bank);
    const [made] = await statesOf(ulid(), ingest);
    const cases = made!.outputs['cases']!;
    const { files } = await store.manifest(cases.digest);
    const key = chunkKey(files.find((file) => file.path === 'cases.jsonl')!.chunks[0]!);
    const { bytes, etag } = await store.port.get(key);
    const flipped = Buffer.from(bytes);
    flipped[10] = flipped[10]! ^ 1;
    await store.port.put(key, flipped, { ifMatch: etag });

    const states = await statesOf(ulid(), ingest, planOf(small).classify('train', [cases]));
    const verdicts = Object.fromEntries(states.map(({ step, verdict }) => [step, verdict]));
    expect(verdicts).toEqual({ 'ingest/train': 'computed', 'classify/train': 'computed' });
    expect(await store.missing(cases.digest)).toEqual([]);
    expect(Buffer.from(await store.readFile(cases.digest, 'cases.jsonl')).toString()).toContain('"clinic"');
  });
});

const BIG = { ...small, base: { ...small.base, steps: 100_000 } };

describe('a step that computes in a child process', () => {
  /** Of this file's own worker: other tests and other people compute on this machine too. */
  const children = (): number => {
    const worker = String(gpu.pid);
    // ps ends with 1 where there is none.
    const found = spawnSync('ps', ['--ppid', worker, '-o', 'args='], { encoding: 'utf8' }).stdout;
    return found.split('\n').filter((line) => line.includes('shell/child.ts')).length;
  };

  it('goes on while one of two runs is cancelled, and stops with its child when both are', async () => {
    const { client, store } = lab.connection;
    const spec = planOf(BIG).pretrain(bank);
    const first = await take(ulid(), spec);
    const second = await take(ulid(), spec);
    const stepOf = async (run: typeof first) =>
      ((await run.query('progress')) as { steps: StepState[] }).steps[0];
    await until('the step has a key', async () => (await stepOf(first))?.key !== undefined, 60);
    const step = client.workflow.getHandle(stepWorkflowId(store.id, (await stepOf(first))!.key!));
    const opened = async (): Promise<boolean> => {
      try {
        return (await step.describe()).status.name === 'RUNNING';
      } catch (error) {
        if (error instanceof WorkflowNotFoundError) return false;
        throw error;
      }
    };
    // A run knows the step's key before it joins the step.
    await until('the step is open', opened, 60);
    /** Signals of a name that the step has taken in: those after its last completed task it has not seen. */
    const taken = async (signal: string): Promise<number> => {
      const { events } = await step.fetchHistory();
      const seen = events!.findLastIndex((event) => event.workflowTaskCompletedEventAttributes);
      return events!
        .slice(0, seen)
        .filter((event) => event.workflowExecutionSignaledEventAttributes?.signalName === signal).length;
    };
    await until('both joined', async () => (await taken('join')) === 2, 60);
    await until('the child runs', async () => children() === 1, 60);
    await first.cancel();
    await expect(first.result()).rejects.toThrow();
    await until('the step knows that one has left', async () => (await taken('release')) === 1, 60);
    expect((await step.describe()).status.name).toBe('RUNNING');
    await until('the child runs on', async () => children() === 1, 60);
    await second.cancel();
    await expect(second.result()).rejects.toThrow();
    await until('the step stopped', async () => (await step.describe()).status.name !== 'RUNNING', 60);
    await until('the child is gone', async () => children() === 0, 60);
  }, 240_000);
});
