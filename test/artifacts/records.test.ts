import { readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { digestOf, digestOfBytes } from '../../artifacts/canonical.ts';
import { dropCheckpoints, newestCheckpoint, saveCheckpoint } from '../../artifacts/checkpoints.ts';
import { PreconditionFailed, UnknownName } from '../../artifacts/errors.ts';
import { chunkKey } from '../../artifacts/keys.ts';
import { listRefs, putRef, readRef } from '../../artifacts/refs.ts';
import { createRun, listRuns, readRun, updateRun } from '../../artifacts/runs.ts';
import { type ArtifactStore, openStore } from '../../artifacts/store.ts';
import type { Reference } from '../../schemas/reference.ts';
import type { RunRecord } from '../../schemas/run-record.ts';
import { hasS3, type S3, startS3 } from './_s3.ts';

const run = (runId: string, more: Partial<RunRecord> = {}): RunRecord => ({
  version: 1,
  runId,
  preset: 'demo',
  configDigest: digestOf('config'),
  config: { preset: 'demo' },
  codeVersion: 'v',
  status: 'running',
  startedAt: '2026-01-01T00:00:00.000Z',
  steps: [],
  ...more,
});
const id = (n: number): string => `01J8Z3K6Q0RS5T7V9WXYZA${String(n).padStart(4, '0')}`;
const step = (n: number) =>
  ({
    step: `s/${n}`,
    stage: 'sft',
    key: digestOf(n),
    verdict: 'hit',
    status: 'done',
    outputs: {},
  }) as const;

describe.skipIf(!hasS3)('checkpoints, runs and refs (need versitygw)', () => {
  let s3: S3;
  let store: ArtifactStore;
  beforeAll(async () => void (s3 = await startS3()));
  beforeEach(async () => void (store = await openStore(await s3.bucket())));
  afterAll(() => s3.stop());

  const publish = async (text: string): Promise<Reference> =>
    store.putFolder(await s3.folder({ 'adapter.bin': text }), { kind: 'adapter' });
  const fileOf = (key: string): string => s3.fileOf(store.port, key);

  it('resumes from the newest sound checkpoint and passes damaged ones over', async () => {
    const key = digestOf('an action');
    const target = path.join(s3.scratch, 'resumed');
    expect(await newestCheckpoint(store, key, target)).toEqual({ found: undefined, notes: [] });
    for (const step of [2, 10, 9])
      await saveCheckpoint(store, key, step, await s3.folder({ 'state.bin': `state ${step}` }));
    await writeFile(fileOf(chunkKey(digestOfBytes(Buffer.from('state 10')))), 'state X!');
    const { found, notes } = await newestCheckpoint(store, key, target);
    expect(found?.step).toBe(9);
    expect(await readFile(path.join(target, 'state.bin'), 'utf8')).toBe('state 9');
    expect(notes).toHaveLength(1);
    expect(notes[0]).toMatch(/checkpoint .*000000000010.json passed over: artifact sha256:.* is damaged at/);
    expect(await dropCheckpoints(store, key)).toBe(3);
    expect((await newestCheckpoint(store, key, path.join(s3.scratch, 'none'))).found).toBeUndefined();
    expect(await readdir(s3.scratch)).not.toContain('none');
  });

  it('can save a checkpoint of a step again', async () => {
    const key = digestOf('an action');
    const first = await saveCheckpoint(store, key, 5, await s3.folder({ s: 'same' }));
    expect(await saveCheckpoint(store, key, 5, await s3.folder({ s: 'same' }))).toEqual(first);
    const { found } = await newestCheckpoint(store, key, path.join(s3.scratch, 'again'));
    expect(found?.state).toEqual(first);
  });

  it('keeps runs, newest first, and finds them by a part of their id', async () => {
    for (const n of [3, 1, 2]) await createRun(store, run(id(n)));
    await expect(createRun(store, run(id(1)))).rejects.toThrow(PreconditionFailed);
    expect((await listRuns(store)).map((r) => r.runId)).toEqual([id(3), id(2), id(1)]);
    expect((await listRuns(store, { limit: 1 })).map((r) => r.runId)).toEqual([id(3)]);
    expect((await readRun(store, 'A0002')).runId).toBe(id(2));
    await expect(readRun(store, '01J8Z3')).rejects.toThrow(UnknownName);
    await expect(readRun(store, id(9))).rejects.toThrow('no run goes by');
    await expect(updateRun(store, id(9), (r) => r)).rejects.toThrow('no run');
  });

  it('loses none of 16 concurrent updates of a run', async () => {
    await createRun(store, run(id(1)));
    await Promise.all(
      Array.from({ length: 16 }, (_, n) =>
        updateRun(store, id(1), (r) => ({ ...r, steps: [...r.steps, step(n)] })),
      ),
    );
    expect((await readRun(store, id(1))).steps).toHaveLength(16);
  });

  it('moves refs and lists them', async () => {
    const [one, two] = [await publish('one'), await publish('two')];
    expect(await readRef(store, 'best')).toBeUndefined();
    await putRef(store, 'best', one);
    await putRef(store, 'best', two);
    await putRef(store, 'run/x/sft', one);
    await putRef(store, 'run/x/sft/AM', two);
    expect(await readRef(store, 'best')).toEqual(two);
    expect((await listRefs(store, 'run/x/')).map((r) => r.name).sort()).toEqual([
      'run/x/sft',
      'run/x/sft/AM',
    ]);
    await expect(putRef(store, 'a/../b', one)).rejects.toThrow('not a ref name');
    await expect(putRef(store, 'a.json/b', one)).rejects.toThrow('.json');
  });
});
