import { readFile, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { actionKey } from '../../artifacts/action-key.ts';
import { lookup, readAction, readResult } from '../../artifacts/actions.ts';
import { digestOf, digestOfBytes } from '../../artifacts/canonical.ts';
import { chunkKey, codeKey, manifestKey, preimageKey, resultKey, stepKey } from '../../artifacts/keys.ts';
import { otherResults, type Outcome, recordResult } from '../../artifacts/record-result.ts';
import { type ArtifactStore, openStore } from '../../artifacts/store.ts';
import { verifyStore } from '../../artifacts/verify.ts';
import type { Action } from '../../schemas/action.ts';
import type { Reference } from '../../schemas/reference.ts';
import { counting, hasS3, type S3, startS3 } from './_s3.ts';

const STEP = 'sft/AM';

const action = (more: Partial<Action> = {}): Action => ({
  version: 1,
  stage: 'sft',
  specVersion: 1,
  inputs: { data: digestOf('data'), model: digestOf('model') },
  params: { learningRate: 0.1, nested: { seed: 1 } },
  code: { 'activities/sft/train.ts': digestOf('code'), 'node_modules/zod': '4.6.7 sha512-a' },
  environment: { tensorflow: '2.18.0', threads: '1' },
  ...more,
});
const outcome = (adapter: Reference, more: Partial<Outcome> = {}): Outcome => ({
  outputs: { adapter },
  summary: { loss: 0.5 },
  startedAt: '2026-01-01T00:00:00.000Z',
  endedAt: '2026-01-01T00:01:00.000Z',
  attempt: 1,
  host: 'here',
  recorded: {},
  ...more,
});

describe.skipIf(!hasS3)('actions (needs versitygw)', () => {
  let s3: S3;
  let store: ArtifactStore;
  beforeAll(async () => void (s3 = await startS3()));
  beforeEach(async () => void (store = await openStore(await s3.bucket())));
  afterAll(() => s3.stop());

  const publish = async (text: string): Promise<Reference> =>
    store.putFolder(await s3.folder({ 'adapter.bin': text }), { kind: 'adapter' });
  const fileOf = (key: string): string => s3.fileOf(store.port, key);

  it('misses as new, then unfinished, then hits with what was recorded', async () => {
    const a = action();
    const key = actionKey(a);
    expect(await lookup(store, a, { step: STEP })).toEqual({
      verdict: 'miss',
      key,
      reason: { kind: 'new', changes: [] },
    });
    expect(await lookup(store, a, { step: STEP })).toMatchObject({
      reason: { kind: 'unfinished', against: key },
    });
    const adapter = await publish('one');
    expect(await recordResult(store, a, outcome(adapter))).toMatchObject({
      status: 'recorded',
      different: [],
    });
    expect(await lookup(store, a, { step: STEP })).toMatchObject({
      verdict: 'hit',
      key,
      result: { outputs: { adapter } },
    });
    expect(await lookup(store, a, { step: 'another/name' })).toMatchObject({ verdict: 'hit' });
    expect(await readAction(store, key)).toEqual(a);
    expect((await verifyStore(store.port)).problems).toEqual([]);
  });

  it.each<[string, Partial<Action>, string, object[]]>([
    [
      'an input',
      { inputs: { data: digestOf('x'), model: digestOf('model') } },
      'inputs',
      [{ path: 'inputs.data', before: digestOf('data'), after: digestOf('x') }],
    ],
    [
      'a parameter',
      { params: { learningRate: 0.2, nested: { seed: 1 } } },
      'params',
      [{ path: 'params.learningRate', before: 0.1, after: 0.2 }],
    ],
    [
      'a nested parameter that came',
      { params: { learningRate: 0.1, nested: { seed: 1, extra: [1] } } },
      'params',
      [{ path: 'params.nested.extra', after: [1] }],
    ],
    [
      'a parameter that went',
      { params: { nested: { seed: 1 } } },
      'params',
      [{ path: 'params.learningRate', before: 0.1 }],
    ],
    [
      'a source file',
      { code: { 'activities/sft/train.ts': digestOf('edited'), 'node_modules/zod': '4.6.7 sha512-a' } },
      'code',
      [{ path: 'code.activities/sft/train.ts', before: digestOf('code'), after: digestOf('edited') }],
    ],
    [
      'a package',
      { code: { 'activities/sft/train.ts': digestOf('code'), 'node_modules/zod': '4.6.8 sha512-b' } },
      'code',
      [{ path: 'code.node_modules/zod', before: '4.6.7 sha512-a', after: '4.6.8 sha512-b' }],
    ],
    [
      'the environment',
      { environment: { tensorflow: '2.19.0', threads: '1' } },
      'environment',
      [{ path: 'environment.tensorflow', before: '2.18.0', after: '2.19.0' }],
    ],
    ['the specification', { specVersion: 2 }, 'specVersion', [{ path: 'specVersion', before: 1, after: 2 }]],
  ])('explains a miss by %s, now and when asked again', async (_, change, kind, changes) => {
    await lookup(store, action(), { step: STEP });
    await recordResult(store, action(), outcome(await publish('one')));
    const expected = { verdict: 'miss', reason: { kind, against: actionKey(action()), changes } };
    expect(await lookup(store, action(change), { step: STEP })).toMatchObject(expected);
    expect(await lookup(store, action(change), { step: STEP })).toMatchObject(expected);
    expect(await lookup(store, action(), { step: STEP })).toMatchObject({ verdict: 'hit' });
  });

  it('lists every field that differs', async () => {
    await lookup(store, action(), { step: STEP });
    const other = action({ specVersion: 2, params: {}, environment: {} });
    const found = await lookup(store, other, { step: STEP });
    expect(found.verdict === 'miss' && found.reason.changes.map((c) => c.path)).toEqual([
      'specVersion',
      'params.learningRate',
      'params.nested',
      'environment.tensorflow',
      'environment.threads',
    ]);
  });

  it('never takes a hit on lost or damaged objects, whichever they are', async () => {
    const a = action();
    await lookup(store, a, { step: STEP });
    const adapter = await publish('precious');
    await recordResult(store, a, outcome(adapter));
    const key = actionKey(a);
    const chunk = chunkKey(digestOfBytes(Buffer.from('precious')));
    const poison: [string, (file: string, bytes: Buffer) => Promise<void>, string][] = [
      [chunk, (file, bytes) => writeFile(file, bytes.subarray(1)), 'missing-output'],
      [chunk, (file) => writeFile(file, ''), 'missing-output'],
      [
        manifestKey(adapter.digest),
        (file, bytes) => writeFile(file, Buffer.concat([bytes, Buffer.from(' ')])),
        'missing-output',
      ],
      [manifestKey(adapter.digest), (file) => writeFile(file, ''), 'missing-output'],
      [
        resultKey(key),
        (file, bytes) => writeFile(file, bytes.toString().replace('0.5', '0.6')),
        'damaged-record',
      ],
      [resultKey(key), (file) => writeFile(file, 'null'), 'damaged-record'],
      [resultKey(key), (file) => writeFile(file, ''), 'damaged-record'],
    ];
    for (const [object, spoil, kind] of poison) {
      const sound = await readFile(fileOf(object));
      await spoil(fileOf(object), sound);
      const found = await lookup(store, a, { step: STEP });
      expect(found, object).toMatchObject({ verdict: 'miss', reason: { kind, against: key } });
      const again = await recordResult(store, a, outcome(await publish('precious')));
      expect(['same', 'replaced']).toContain(again.status);
      expect(await lookup(store, a, { step: STEP }), object).toMatchObject({ verdict: 'hit' });
    }
    await store.port.delete(manifestKey(adapter.digest));
    expect(await lookup(store, a, { step: STEP })).toMatchObject({
      reason: {
        changes: [
          {
            path: 'outputs.adapter',
            before: adapter.digest,
            after: `${manifestKey(adapter.digest)}: is not there`,
          },
        ],
      },
    });
  });

  it('explains without help when a pointer or an old preimage is damaged', async () => {
    await lookup(store, action(), { step: STEP });
    await writeFile(fileOf(stepKey(STEP)), '{}');
    expect(await lookup(store, action({ specVersion: 2 }), { step: STEP })).toMatchObject({
      reason: { kind: 'new' },
    });
    await writeFile(fileOf(preimageKey(actionKey(action({ specVersion: 2 })))), '{}');
    expect(await lookup(store, action({ specVersion: 3 }), { step: STEP })).toMatchObject({
      reason: { kind: 'new' },
    });
    expect(await lookup(store, action({ specVersion: 4 }), { step: STEP })).toMatchObject({
      reason: { kind: 'specVersion' },
    });
  });

  it('keeps the first of two different results and the second beside it', async () => {
    const a = action();
    const [one, two] = [await publish('one'), await publish('two')];
    await recordResult(store, a, outcome(one));
    const second = await recordResult(store, a, outcome(two));
    expect(second).toMatchObject({
      status: 'different',
      result: { outputs: { adapter: one } },
      different: [{ path: 'outputs.adapter', before: one.digest, after: two.digest }],
    });
    expect((await otherResults(store, actionKey(a))).map((r) => r.outputs)).toEqual([{ adapter: two }]);
    expect(await recordResult(store, a, outcome(one, { attempt: 9 }))).toMatchObject({
      status: 'same',
      result: { attempt: 1 },
    });
    expect((await verifyStore(store.port)).problems).toEqual([]);
  });

  it('lets one of 32 concurrent different results count, and keeps the others', async () => {
    const a = action();
    const adapters = await Promise.all(Array.from({ length: 32 }, (_, i) => publish(`result ${i}`)));
    const recorded = await Promise.all(adapters.map((adapter) => recordResult(store, a, outcome(adapter))));
    expect(recorded.filter((r) => r.status === 'recorded')).toHaveLength(1);
    const winner = await readResult(store, actionKey(a));
    for (const r of recorded) expect(r.result.outputs).toEqual(winner?.outputs);
    expect(await otherResults(store, actionKey(a))).toHaveLength(31);
  });

  it('a lookup that hits costs few requests', async () => {
    const a = action();
    await lookup(store, a, { step: STEP });
    await recordResult(store, a, outcome(await publish('one')));
    const { port, counts } = counting(store.port);
    const watched = await openStore(port);
    const before = { ...counts };
    await lookup(watched, a, { step: STEP });
    // The result, the step's pointer, one manifest; one chunk.
    expect([counts.get - before.get, counts.head, counts.put, counts.list]).toEqual([3, 1, 0, 0]);
  });

  it('stores code maps and preimages once', async () => {
    const a = action();
    await lookup(store, a, { step: STEP });
    const modified = (await store.port.head(codeKey(digestOf(a.code)))).modified;
    await lookup(store, action({ specVersion: 2 }), { step: STEP });
    expect((await store.port.head(codeKey(digestOf(a.code)))).modified).toEqual(modified);
  });
});
