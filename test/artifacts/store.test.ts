import { writeFileSync } from 'node:fs';
import { readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { digestOfBytes } from '../../artifacts/canonical.ts';
import { CorruptInput, InvalidManifest, NotFound, UnknownName } from '../../artifacts/errors.ts';
import { ALL_OBJECTS, chunkKey, manifestKey } from '../../artifacts/keys.ts';
import type { ObjectPort } from '../../artifacts/object-port.ts';
import { putRef } from '../../artifacts/refs.ts';
import { type ArtifactStore, openStore } from '../../artifacts/store.ts';
import { verifyArtifact, verifyStore } from '../../artifacts/verify.ts';
import type { Digest } from '../../schemas/digest.ts';
import { CHUNK_BYTES } from '../../schemas/manifest.ts';
import { bytesOf, counting, hasS3, type S3, startS3 } from './_s3.ts';

describe.skipIf(!hasS3)('the store (needs versitygw)', () => {
  let s3: S3;
  let port: ObjectPort;
  let store: ArtifactStore;
  beforeAll(async () => {
    s3 = await startS3();
    port = await s3.bucket();
    store = await openStore(port);
  });
  afterAll(() => s3.stop());

  let targets = 0;
  const target = (): string => path.join(s3.scratch, `out-${(targets += 1)}`, 'deep', 'er');
  const flipBit = async (key: string, at = 0): Promise<void> => {
    const file = s3.fileOf(port, key);
    const bytes = await readFile(file);
    bytes[at] = (bytes[at] ?? 0) ^ 1;
    await writeFile(file, bytes);
  };

  it('keeps its random id', async () => {
    expect(store.id).toMatch(/^[0-9a-f]{16}$/);
    expect((await openStore(port)).id).toBe(store.id);
    expect((await openStore(await s3.bucket())).id).not.toBe(store.id);
  });

  it('gives one id to all who open a new bucket at once', async () => {
    const fresh = await s3.bucket();
    const stores = await Promise.all(Array.from({ length: 16 }, () => openStore(fresh)));
    expect(new Set(stores.map((s) => s.id)).size).toBe(1);
  });

  it('writes back what was put: empty, small, exactly one chunk and several', async () => {
    const files = {
      'a/empty.txt': new Uint8Array(),
      'a/small.txt': Buffer.from('hello'),
      'exact.bin': bytesOf(CHUNK_BYTES, 2),
      'b/c/large.bin': bytesOf(2 * CHUNK_BYTES + 17, 3),
      'ünï/文.txt': Buffer.from('names'),
    };
    const reference = await store.putFolder(await s3.folder(files), { kind: 'source' });
    const folder = target();
    const manifest = await store.fetch(reference.digest, folder);
    const names = (await readdir(folder, { recursive: true, withFileTypes: true })).filter((e) => e.isFile());
    expect(names).toHaveLength(5);
    for (const [name, bytes] of Object.entries(files))
      expect((await readFile(path.join(folder, name))).equals(bytes), name).toBe(true);
    expect(manifest.files.map((f) => [f.path, f.chunks.length])).toEqual([
      ['a/empty.txt', 0],
      ['a/small.txt', 1],
      ['b/c/large.bin', 3],
      ['exact.bin', 1],
      ['ünï/文.txt', 1],
    ]);
    expect(reference).toMatchObject({
      mediaType: 'application/vnd.mmedexpert.source.v1',
      size: manifest.size,
    });
    expect(
      Buffer.from(await store.readFile(reference.digest, 'b/c/large.bin')).equals(files['b/c/large.bin']),
    ).toBe(true);
    expect(await store.missing(reference.digest)).toEqual([]);
  });

  it('names equal contents equally, whoever puts them when and in what order', async () => {
    const one = await store.putFolder(await s3.folder({ x: 'x', y: 'y' }), {
      kind: 'cases',
      caseIds: ['b', 'a', 'b'],
    });
    const two = await store.putFolder(await s3.folder({ y: 'y', x: 'x' }), {
      kind: 'cases',
      caseIds: ['a', 'b'],
    });
    expect(two).toEqual(one);
    // The name is part of the format: another implementation has to find the same one.
    expect(one.digest).toBe('sha256:eac819041e6b9b6c53c47484402c37c92f19d03771df628577cb75e09a8922f0');
    const other = await store.putFolder(await s3.folder({ x: 'x', y: 'y' }), { kind: 'cases' });
    expect(other.digest).not.toBe(one.digest);
  });

  it('sends a chunk once, and after an interruption only what is missing', async () => {
    const files = {
      a: bytesOf(CHUNK_BYTES + 5, 10),
      b: bytesOf(CHUNK_BYTES + 5, 10),
      c: bytesOf(CHUNK_BYTES, 11),
    };
    const folder = await s3.folder(files);
    const first = counting(port);
    const controller = new AbortController();
    const interrupted = (await openStore(first.port)).putFolder(
      folder,
      { kind: 'source' },
      {
        signal: controller.signal,
        onProgress: () => controller.abort(new Error('killed')),
      },
    );
    await expect(interrupted).rejects.toThrow('killed');
    let sent = 0;
    const second = counting(port);
    const again = await openStore(second.port);
    const reference = await again.putFolder(
      folder,
      { kind: 'source' },
      { onProgress: (t) => (sent = t.sentBytes) },
    );
    expect(sent).toBeLessThan(2 * CHUNK_BYTES);
    const third = counting(port);
    await (await openStore(third.port)).putFolder(folder, { kind: 'source' });
    expect(third.counts.put).toBeLessThanOrEqual(5);
    expect(await store.missing(reference.digest)).toEqual([]);
  });

  it('lets 32 writers put one artifact at once', async () => {
    const folder = await s3.folder({ a: bytesOf(300_000, 20), b: 'b', c: 'c' });
    const references = await Promise.all(
      Array.from({ length: 32 }, () => store.putFolder(folder, { kind: 'source' })),
    );
    expect(new Set(references.map((r) => r.digest)).size).toBe(1);
    expect((await verifyArtifact(port, references[0]?.digest ?? '')).problems).toEqual([]);
  });

  it('refuses a flipped bit on reading, sets it aside, and is mended by publishing again', async () => {
    const folder = await s3.folder({ 'model.bin': bytesOf(CHUNK_BYTES + 100, 30) });
    const { digest } = await store.putFolder(folder, { kind: 'checkpoint' });
    const chunk = (await store.manifest(digest)).files[0]?.chunks[0] ?? '';
    await flipBit(chunkKey(chunk), 12345);
    const out = target();
    const reading = store.fetch(digest, out);
    await expect(reading).rejects.toThrow(CorruptInput);
    await expect(reading).rejects.toMatchObject({ digest, object: chunkKey(chunk) });
    await expect(stat(out)).rejects.toThrow('ENOENT');
    expect(await readdir(path.dirname(out))).toEqual([]);

    expect(await store.quarantine(digest)).toEqual([chunkKey(chunk)]);
    expect(await store.missing(digest)).toEqual([`${chunkKey(chunk)}: is 0 bytes, not ${CHUNK_BYTES}`]);
    const kept: string[] = [];
    for await (const object of port.list(`${ALL_OBJECTS}quarantine/${chunkKey(chunk)}/`))
      kept.push(object.key);
    expect(kept).toHaveLength(1);

    expect((await store.putFolder(folder, { kind: 'checkpoint' })).digest).toBe(digest);
    expect(await store.missing(digest)).toEqual([]);
    await store.fetch(digest, out);
    expect((await readFile(path.join(out, 'model.bin'))).equals(bytesOf(CHUNK_BYTES + 100, 30))).toBe(true);
  });

  it('mends small damaged objects, truncated objects and manifests just by publishing again', async () => {
    const folder = await s3.folder({ a: 'mend me', b: bytesOf(400_000, 31) });
    const { digest } = await store.putFolder(folder, { kind: 'source' });
    await flipBit(chunkKey(digestOfBytes(Buffer.from('mend me'))));
    await flipBit(manifestKey(digest), 40);
    await writeFile(s3.fileOf(port, chunkKey(digestOfBytes(bytesOf(400_000, 31)))), 'cut');
    await expect(store.fetch(digest, target())).rejects.toThrow(CorruptInput);
    await store.putFolder(folder, { kind: 'source' });
    await store.fetch(digest, target());
  });

  it('says which object of which artifact is not there', async () => {
    const { digest } = await store.putFolder(await s3.folder({ a: 'gone' }), { kind: 'source' });
    const key = chunkKey(digestOfBytes(Buffer.from('gone')));
    await port.delete(key);
    expect(await store.missing(digest)).toEqual([`${key}: is not there`]);
    await expect(store.fetch(digest, target())).rejects.toThrow(
      `${digest} is damaged at ${key}: is not there`,
    );
    await expect(store.readFile(digest, 'b')).rejects.toThrow(NotFound);
    const never: Digest = `sha256:${'0'.repeat(64)}`;
    await expect(store.fetch(never, target())).rejects.toThrow(CorruptInput);
    expect(await store.missing(never)).toEqual([`${manifestKey(never)}: is not there`]);
  });

  it('refuses links, and does not fetch over files', async () => {
    const folder = await s3.folder({ a: 'a' });
    const { digest } = await store.putFolder(folder, { kind: 'source' });
    await expect(store.fetch(digest, folder)).rejects.toThrow(/ENOTEMPTY|EEXIST/);
    expect(await readFile(path.join(folder, 'a'), 'utf8')).toBe('a');
    await symlink('a', path.join(folder, 'link'));
    await expect(store.putFolder(folder, { kind: 'source' })).rejects.toThrow(InvalidManifest);
    await expect(store.putFolder(folder, { kind: 'source' })).rejects.toThrow(
      '"link" is neither a file nor a folder',
    );
  });

  it('publishes nothing of a folder whose files change meanwhile', async () => {
    const folder = await s3.folder({ a: bytesOf(200_000, 40), b: 'b' });
    const during: ObjectPort = {
      ...counting(port).port,
      head: (...args) => (writeFileSync(path.join(folder, 'b'), 'B'), port.head(...args)),
    };
    const putting = (await openStore(during)).putFolder(folder, { kind: 'source' });
    await expect(putting).rejects.toMatchObject({ name: 'SourceChanged' });
  });

  it('resolves digests, unique prefixes and refs, and lists the candidates of an ambiguous prefix', async () => {
    const reference = await store.putFolder(await s3.folder({ a: 'resolve' }), { kind: 'report' });
    const hex = reference.digest.slice(7);
    await putRef(store, 'run/01J00000000000000000000000/sft/AM', reference);
    await putRef(store, 'best', reference);
    const names = [
      reference.digest,
      hex,
      hex.slice(0, 8),
      `sha256:${hex.slice(0, 6)}`,
      'best',
      'run/01J00000000000000000000000/sft/AM',
    ];
    for (const name of names) expect(await store.resolve(name), name).toBe(reference.digest);
    await port.put(
      manifestKey(`sha256:${hex.slice(0, 63)}${hex.endsWith('0') ? '1' : '0'}`),
      Buffer.from('{}'),
    );
    await expect(store.resolve(hex.slice(0, 10))).rejects.toThrow(
      /is ambiguous: sha256:[0-9a-f]{64}, sha256:/,
    );
    await port.delete(manifestKey(`sha256:${hex.slice(0, 63)}${hex.endsWith('0') ? '1' : '0'}`));
    for (const name of ['abc', '00000000', 'nobody', '../x', '', 'sha256:xyz', 'a//b'])
      await expect(store.resolve(name), name).rejects.toThrow(UnknownName);
    await expect(putRef(store, 'abcdef', reference)).rejects.toThrow('may not read as a digest prefix');
  });

  it('lists artifacts by kind', async () => {
    const fresh = await openStore(await s3.bucket());
    const a = await fresh.putFolder(await s3.folder({ a: '1' }), { kind: 'adapter', synthetic: true });
    const b = await fresh.putFolder(await s3.folder({ a: '2' }), { kind: 'report' });
    expect((await fresh.list()).map((e) => e.artifact)).toEqual([a, b]);
    const adapters = await fresh.list({ kind: 'adapter' });
    expect(adapters).toMatchObject([{ artifact: a, files: 1, synthetic: true }]);
    expect((await fresh.manifest(a.digest)).synthetic).toBe(true);
  });

  it('keeps blobs', async () => {
    const digest = await store.putBlob(Buffer.from('log'));
    expect(Buffer.from(await store.getBlob(digest)).toString()).toBe('log');
    await expect(store.putBlob(new Uint8Array())).rejects.toThrow(RangeError);
  });

  it('verify finds each kind of damage and names its object', async () => {
    const at = await s3.bucket();
    const fresh = await openStore(at);
    const flip = async (key: string, offset: number): Promise<void> => {
      const file = s3.fileOf(at, key);
      const bytes = await readFile(file);
      bytes[offset] = (bytes[offset] ?? 0) ^ 4;
      await writeFile(file, bytes);
    };
    const one = await fresh.putFolder(await s3.folder({ a: bytesOf(1000, 50), b: bytesOf(1000, 51) }), {
      kind: 'source',
    });
    await fresh.putFolder(await s3.folder({ a: 'sound' }), { kind: 'source' });
    await putRef(fresh, 'tag', one);
    await putRef(fresh, 'other', one);
    expect((await verifyStore(at)).problems).toEqual([]);

    const flipped = chunkKey(digestOfBytes(bytesOf(1000, 50)));
    const lost = chunkKey(digestOfBytes(bytesOf(1000, 51)));
    await flip(flipped, 999);
    await at.delete(lost);
    await flip('v1/refs/tag.json', 30);
    await at.put('v1/refs/swapped.json', (await at.get('v1/refs/other.json')).bytes);
    await at.put('v1/stray', Buffer.from('?'));
    const found = await verifyStore(at);
    expect(found.problems.map((p) => p.object).sort()).toEqual(
      [flipped, lost, 'v1/refs/swapped.json', 'v1/refs/tag.json', 'v1/stray'].sort(),
    );
    const artifact = await verifyArtifact(at, one.digest);
    expect(artifact.problems.map((p) => p.object).sort()).toEqual([flipped, lost].sort());
  });

  it('fails within its deadline when the server is gone', async () => {
    const { digest } = await store.putFolder(await s3.folder({ a: 'x' }), { kind: 'source' });
    await s3.kill();
    const started = performance.now();
    await expect(store.fetch(digest, target(), { timeoutMs: 500 })).rejects.toMatchObject({
      name: 'Timeout',
    });
    expect(performance.now() - started).toBeLessThan(2500);
    await s3.start();
    await store.fetch(digest, target());
  });
});
