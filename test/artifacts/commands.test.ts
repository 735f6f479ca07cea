import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { digestOfBytes } from '../../artifacts/canonical.ts';
import { chunkKey } from '../../artifacts/keys.ts';
import type { ObjectPort } from '../../artifacts/object-port.ts';
import { recordResult } from '../../artifacts/record-result.ts';
import { putRef } from '../../artifacts/refs.ts';
import { type ArtifactStore, openStore } from '../../artifacts/store.ts';
import { main } from '../../infra/cli/main.ts';
import type { Reference } from '../../schemas/reference.ts';
import { hasS3, type S3, startS3 } from './_s3.ts';

const into = (lines: string[]) => (text: string | Uint8Array) => (lines.push(String(text)), true);

/** What the command line prints and the exit code it ends with. */
async function command(
  ...words: string[]
): Promise<{ out: string; err: string; code: typeof process.exitCode }> {
  const out: string[] = [];
  const err: string[] = [];
  const stdout = vi.spyOn(process.stdout, 'write').mockImplementation(into(out));
  const stderr = vi.spyOn(process.stderr, 'write').mockImplementation(into(err));
  process.exitCode = 0;
  try {
    await main(['node', 'mmedexpert', ...words]);
    return { out: out.join(''), err: err.join(''), code: process.exitCode };
  } finally {
    stdout.mockRestore();
    stderr.mockRestore();
    process.exitCode = 0;
  }
}

describe.skipIf(!hasS3)('store and lineage commands (need versitygw)', () => {
  let s3: S3;
  let port: ObjectPort;
  let store: ArtifactStore;
  let source: Reference;
  beforeAll(async () => {
    s3 = await startS3();
    port = await s3.bucket();
    store = await openStore(port);
    vi.stubEnv('S3_ENDPOINT', s3.settings.endpoint);
    vi.stubEnv('S3_BUCKET', port.description.split('/').at(-1) ?? '');
    vi.stubEnv('AWS_ACCESS_KEY_ID', s3.settings.accessKey);
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', s3.settings.secretKey);
    const { out } = await command(
      'store',
      'put',
      await s3.folder({ 'a.txt': 'hello' }),
      '--kind',
      'source',
      '--json',
    );
    source = JSON.parse(out) as Reference;
    const cases = await store.putFolder(await s3.folder({ 'cases.jsonl': '{}' }), {
      kind: 'cases',
      synthetic: true,
    });
    await putRef(store, 'run/01J8Z3K6Q0RS5T7V9WXYZABCDE/ingest', cases);
    const times = { startedAt: '2026-01-01T00:00:00.000Z', endedAt: '2026-01-01T00:00:01.000Z' };
    await recordResult(
      store,
      {
        version: 1,
        stage: 'ingest',
        specVersion: 1,
        inputs: { source: source.digest },
        params: { seed: 3 },
        code: {},
        environment: {},
      },
      { outputs: { cases }, summary: {}, ...times, attempt: 1, host: 'h', recorded: {} },
    );
  });
  afterEach(() => void (process.exitCode = 0));
  afterAll(async () => {
    vi.unstubAllEnvs();
    await s3.stop();
  });

  it('store ls lists what is there, of one kind if asked', async () => {
    expect((await command('store', 'ls')).out.split('\n')).toHaveLength(3);
    const { out } = await command('store', 'ls', '--kind', 'cases');
    expect(out).toMatch(/^sha256:[0-9a-f]{12} {2}cases +2 B +1 file .*synthetic\n$/);
    expect(JSON.parse((await command('store', 'ls', '--json')).out)).toHaveLength(2);
  });

  it('store get takes a digest, a prefix or a ref', async () => {
    const folder = path.join(s3.scratch, 'got');
    const { code, out } = await command('store', 'get', source.digest.slice(7, 17), folder);
    expect([code, out]).toEqual([0, `${source.digest}  source, 1 file, 5 B → ${folder}\n`]);
    expect(await readFile(path.join(folder, 'a.txt'), 'utf8')).toBe('hello');
    const named = await command(
      'store',
      'get',
      'run/01J8Z3K6Q0RS5T7V9WXYZABCDE/ingest',
      path.join(s3.scratch, 'ref'),
      '--json',
    );
    expect(JSON.parse(named.out)).toMatchObject({ kind: 'cases', synthetic: true });
  });

  it('store get of a name that is none fails and says so, as JSON if asked', async () => {
    const { code, err } = await command('store', 'get', 'nobody', path.join(s3.scratch, 'x'));
    expect([code, err]).toEqual([
      1,
      'error: no artifact goes by "nobody": give a digest, 6 or more digits of one, or a ref\n',
    ]);
    const json = await command('store', 'get', 'nobody', path.join(s3.scratch, 'x'), '--json');
    expect(JSON.parse(json.out)).toMatchObject({ error: { name: 'UnknownName', exitCode: 1 } });
  });

  it('bad usage exits with 2', async () => {
    expect((await command('store', 'put', '.')).code).toBe(2);
    expect((await command('store', 'put', '.', '--kind', 'nonsense')).code).toBe(2);
    expect((await command('store', 'get')).code).toBe(2);
  });

  it('lineage draws the tree both ways', async () => {
    const up = await command('lineage', 'up', 'run/01J8Z3K6Q0RS5T7V9WXYZABCDE/ingest');
    expect(up.out).toMatch(
      /^cases sha256:\w{12} {2}2 B\n└─ ingest sha256:\w{12} \(cases\) {2}seed=3\n {3}└─ source sha256:\w{12} {2}5 B\n$/,
    );
    const down = await command('lineage', 'down', source.digest);
    expect(down.out).toMatch(
      /^source sha256:\w{12} {2}5 B\n└─ ingest sha256:\w{12} \(source\) {2}seed=3\n {3}└─ cases sha256:\w{12} {2}2 B\n$/,
    );
    const json = await command('lineage', 'up', 'run/01J8Z3K6Q0RS5T7V9WXYZABCDE/ingest', '--json');
    expect(JSON.parse(json.out)).toMatchObject({ actions: [{ artifacts: [{ digest: source.digest }] }] });
  });

  it('store verify exits with 1 and names the object once one is damaged', async () => {
    expect(await command('store', 'verify')).toMatchObject({
      code: 0,
      out: expect.stringMatching(/, 0 problems\n$/),
    });
    const object = chunkKey(digestOfBytes(Buffer.from('hello')));
    await writeFile(s3.fileOf(port, object), 'hellO');
    for (const words of [
      ['store', 'verify'],
      ['store', 'verify', source.digest],
    ]) {
      const { code, out } = await command(...words);
      expect(code).toBe(1);
      expect(out).toContain(`${object}: holds sha256:`);
    }
    expect((await command('store', 'get', source.digest, path.join(s3.scratch, 'bad'))).code).toBe(1);
  });
});
