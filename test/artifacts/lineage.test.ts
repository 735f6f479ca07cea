import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { lineageDown, type LineageNode, lineageUp } from '../../artifacts/lineage.ts';
import { recordResult } from '../../artifacts/record-result.ts';
import { type ArtifactStore, openStore } from '../../artifacts/store.ts';
import type { Action } from '../../schemas/action.ts';
import type { ArtifactKind } from '../../schemas/artifact-kind.ts';
import type { Reference } from '../../schemas/reference.ts';
import { hasS3, type S3, startS3 } from './_s3.ts';

/** Stages and kinds from a node to the leaves, one line a path. */
const paths = (node: LineageNode): string[] =>
  node.actions.length === 0
    ? [`${node.kind}${node.shared ? '*' : ''}`]
    : node.actions.flatMap((a) => a.artifacts.flatMap(paths).map((p) => `${node.kind} < ${a.stage} < ${p}`));

describe.skipIf(!hasS3)('lineage (needs versitygw)', () => {
  let s3: S3;
  let store: ArtifactStore;
  const made: Record<string, Reference> = {};

  const put = async (name: string, kind: ArtifactKind): Promise<Reference> =>
    (made[name] ??= await store.putFolder(await s3.folder({ name }), { kind }));
  const step = async (
    stage: Action['stage'],
    inputs: Record<string, string>,
    outputs: Record<string, [string, ArtifactKind]>,
    params: Action['params'] = {},
  ) => {
    const published: Record<string, Reference> = {};
    for (const [slot, [name, kind]] of Object.entries(outputs)) published[slot] = await put(name, kind);
    const digests = Object.entries(inputs).map(([slot, name]) => [slot, made[name]?.digest ?? ''] as const);
    const action: Action = {
      version: 1,
      stage,
      specVersion: 1,
      inputs: Object.fromEntries(digests),
      params,
      code: {},
      environment: {},
    };
    const times = { startedAt: '2026-01-01T00:00:00.000Z', endedAt: '2026-01-01T00:00:01.000Z' };
    return recordResult(store, action, {
      outputs: published,
      summary: {},
      ...times,
      attempt: 1,
      host: 'h',
      recorded: {},
    });
  };

  beforeAll(async () => {
    s3 = await startS3();
    store = await openStore(await s3.bucket());
    await put('bank', 'source');
    await step('ingest', { source: 'bank' }, { cases: ['cases', 'cases'] });
    await step('pretrain', { source: 'bank' }, { model: ['base', 'checkpoint'] });
    await step('stratify', { cases: 'cases' }, { AM: ['am', 'sft-data'], CAH: ['cah', 'sft-data'] });
    for (const s of ['am', 'cah'])
      await step('sft', { model: 'base', data: s }, { adapter: [`adapter-${s}`, 'adapter'] }, { seed: 1 });
    await step(
      'merge',
      { base: 'base', 'adapter.AM': 'adapter-am', 'adapter.CAH': 'adapter-cah' },
      { model: ['merged', 'checkpoint'], vector: ['vector', 'vector'] },
      { method: 'ties' },
    );
  });
  afterAll(() => s3.stop());

  it('of a merged model reaches its sources, each shared artifact once', async () => {
    const tree = await lineageUp(store, made['merged']?.digest ?? '');
    expect(paths(tree).sort()).toEqual(
      [
        'checkpoint < merge < checkpoint*',
        'checkpoint < merge < adapter < sft < checkpoint < pretrain < source',
        'checkpoint < merge < adapter < sft < checkpoint*',
        'checkpoint < merge < adapter < sft < sft-data < stratify < cases < ingest < source',
        'checkpoint < merge < adapter < sft < sft-data < stratify < cases*',
      ].sort(),
    );
    expect(tree.actions[0]).toMatchObject({
      stage: 'merge',
      name: 'model',
      params: { method: 'ties' },
      superseded: false,
    });
    expect(tree.actions[0]?.artifacts.map((a) => a.name).sort()).toEqual([
      'adapter.AM',
      'adapter.CAH',
      'base',
    ]);
  });

  it('of a source leads down to all that was made of it', async () => {
    const tree = await lineageDown(store, made['bank']?.digest ?? '');
    const digests = new Set(JSON.stringify(tree).match(/sha256:[0-9a-f]{64}/g));
    for (const { digest } of Object.values(made)) expect(digests).toContain(digest);
  });

  it('of an artifact nothing made is the artifact', async () => {
    expect(await lineageUp(store, made['bank']?.digest ?? '')).toMatchObject({
      kind: 'source',
      actions: [],
      shared: false,
    });
    expect(await lineageDown(store, made['merged']?.digest ?? '')).toMatchObject({
      kind: 'checkpoint',
      actions: [],
    });
  });

  it('marks the maker of an artifact whose result is another one now', async () => {
    const second = await step('ingest', { source: 'bank' }, { cases: ['other-cases', 'cases'] });
    expect(second.status).toBe('different');
    const tree = await lineageUp(store, made['other-cases']?.digest ?? '');
    expect(tree.actions).toMatchObject([
      { stage: 'ingest', superseded: true, artifacts: [{ kind: 'source' }] },
    ]);
  });
});
