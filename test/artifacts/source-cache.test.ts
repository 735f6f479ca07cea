import { readFile, rename, stat, unlink, utimes, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { digestInKey } from '../../artifacts/keys.ts';
import { putSource } from '../../artifacts/source-cache.ts';
import { type ArtifactStore, openStore } from '../../artifacts/store.ts';
import { hasS3, type S3, startS3 } from './_s3.ts';

describe.skipIf(!hasS3)('the source cache (needs versitygw)', () => {
  let s3: S3;
  let store: ArtifactStore;
  let folder: string;
  let cache: string;
  beforeAll(async () => {
    s3 = await startS3();
    store = await openStore(await s3.bucket());
  });
  beforeEach(async () => {
    folder = await s3.folder({ 'a.txt': 'aaaa', 'b/c.txt': 'cccc' });
    cache = path.join(folder, '..', `${path.basename(folder)}-cache`, 'sources.json');
  });
  afterAll(() => s3.stop());
  const put = (more = {}) => putSource(store, folder, { kind: 'source', ...more }, cache);

  it('reads nothing when nothing changed', async () => {
    const first = await put();
    expect(first.read).toBe(true);
    expect(await put()).toEqual({ reference: first.reference, read: false });
    expect((await put({ synthetic: true })).read).toBe(true);
  });

  it('sees an edit that keeps size and modification time', async () => {
    const first = await put();
    const file = path.join(folder, 'a.txt');
    const { atime, mtime } = await stat(file);
    await writeFile(file, 'AAAA');
    await utimes(file, atime, mtime);
    const second = await put();
    expect(second.read).toBe(true);
    expect(second.reference.digest).not.toBe(first.reference.digest);
  });

  it('sees a file that was replaced, added, renamed or removed', async () => {
    const seen = new Set([(await put()).reference.digest]);
    const edits = [
      async () => (
        await writeFile(path.join(folder, 'new'), 'xxxx'),
        rename(path.join(folder, 'new'), path.join(folder, 'a.txt'))
      ),
      () => writeFile(path.join(folder, 'd.txt'), 'dddd'),
      () => rename(path.join(folder, 'd.txt'), path.join(folder, 'e.txt')),
      () => unlink(path.join(folder, 'b/c.txt')),
    ];
    for (const edit of edits) {
      await edit();
      const { read, reference } = await put();
      expect(read).toBe(true);
      expect(seen).not.toContain(reference.digest);
      seen.add(reference.digest);
    }
  });

  it('puts again what the store lost', async () => {
    const { reference } = await put();
    for await (const { key } of store.port.list('v1/chunks/'))
      if (digestInKey('chunks', key)) await store.port.delete(key);
    expect((await put()).read).toBe(true);
    expect(await store.missing(reference.digest)).toEqual([]);
  });

  it('counts a damaged cache as empty and does not confuse stores', async () => {
    await put();
    await writeFile(cache, '{');
    expect((await put()).read).toBe(true);
    expect(JSON.parse(await readFile(cache, 'utf8'))).toHaveProperty('sources');
    const other = await openStore(await s3.bucket());
    expect((await putSource(other, folder, { kind: 'source' }, cache)).read).toBe(true);
  });
});
