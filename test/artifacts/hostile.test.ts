import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { canonicalBytes, digestOfBytes } from '../../artifacts/canonical.ts';
import { CorruptInput, InvalidManifest } from '../../artifacts/errors.ts';
import { manifestKey } from '../../artifacts/keys.ts';
import { checkManifest, parseManifest } from '../../artifacts/manifest.ts';
import { openStore } from '../../artifacts/store.ts';
import { CHUNK_BYTES } from '../../schemas/manifest.ts';
import { hasS3, type S3, startS3 } from './_s3.ts';

const x = digestOfBytes(Buffer.from('x'));
const file = (name: string, more: object = {}) => ({ path: name, size: 1, digest: x, chunks: [x], ...more });
const manifest = (files: { size: number }[], more: object = {}) => ({
  version: 1,
  kind: 'source',
  files,
  size: files.reduce((sum, f) => sum + f.size, 0),
  ...more,
});
const parse = (value: unknown) => {
  const bytes = canonicalBytes(value);
  return parseManifest(digestOfBytes(bytes), bytes);
};

describe('a manifest', () => {
  it('that keeps the rules is read', () => {
    expect(parse(manifest([file('a'), file('b/c')])).files).toHaveLength(2);
  });

  it.each([
    ['a parent folder', '../etc/passwd'],
    ['a parent folder inside', 'a/../../b'],
    ['an absolute path', '/etc/passwd'],
    ['a drive', 'C:/x'],
    ['a backslash', 'a\\b'],
    ['NUL', 'a\0b'],
    ['a line feed', 'a\nb'],
    ['an empty path', ''],
    ['an empty component', 'a//b'],
    ['a dot component', './a'],
    ['a trailing slash', 'a/'],
    ['a component of 256 bytes', 'é'.repeat(128)],
    ['a path over 1024 bytes', 'abc/'.repeat(300).concat('x')],
    ['a decomposed name', 'e\u0301'],
  ])('with %s as a path is refused by name', (_, name) => {
    expect(() => parse(manifest([file(name)]))).toThrow(InvalidManifest);
    expect(() => parse(manifest([file(name)]))).toThrow(JSON.stringify(name.slice(0, 300)));
  });

  it.each([
    ['names that differ by case', [file('A'), file('a')], '"a" differs from "A" only by case'],
    ['folders that differ by case', [file('D/x'), file('d/y')], '"d/y" differs from "D/…" only by case'],
    ['a file in a file', [file('a'), file('a/b')], '"a" is both a file and a folder'],
    ['a path twice', [file('a'), file('a')], '"a" is listed twice'],
    ['files out of order', [file('b'), file('a')], '"a" is out of order'],
    ['one chunk too many', [file('a', { chunks: [x, x] })], '"a" has 2 chunks, 1 bytes are cut into 1'],
    ['another cut', [file('a', { size: CHUNK_BYTES + 1 })], '"a" has 1 chunks, 8388609 bytes are cut into 2'],
    ['chunks in an empty file', [file('a', { size: 0 })], '"a" has 1 chunks, 0 bytes are cut into 0'],
    [
      'a digest that is not the chunk’s',
      [file('a', { digest: digestOfBytes(Buffer.from('y')) })],
      '"a" has a digest',
    ],
    ['a giant size', [file('a', { size: 2 ** 50 })], '"a" claims 1125899906842624 bytes'],
  ])('with %s is refused by name', (_, files, message) => {
    expect(() => parse(manifest(files as { size: number }[]))).toThrow(message);
    expect(() => parse(manifest(files as { size: number }[]))).toThrow(InvalidManifest);
  });

  it('with a wrong total, unknown fields, a newer version, or one chunk in two sizes is refused', () => {
    expect(() => parse(manifest([file('a')], { size: 2 }))).toThrow('"size" is 2, the files have 1');
    expect(() => parse(manifest([file('a')], { extra: 1 }))).toThrow('extra');
    expect(() => parse(manifest([file('a')], { version: 2 }))).toThrow('version');
    expect(() => parse(manifest([file('a', { size: -1 })]))).toThrow('size');
    expect(() => parse(manifest([], { caseIds: ['b', 'a'] }))).toThrow(
      '"a" is out of order or twice in caseIds',
    );
  });

  it('with too many files is refused before they are looked at', () => {
    const files = Array.from({ length: 200_001 }, () => file('../a'));
    const giant = { version: 1, kind: 'source', files, size: 0 } as const;
    expect(() => checkManifest('m', giant)).toThrow('"files" has 200001 entries, more than 200000');
  });

  it('whose bytes hash to something else is corrupt, not merely invalid', () => {
    expect(() => parseManifest(x, canonicalBytes(manifest([file('a')])))).toThrow(/holds sha256:/);
  });
});

describe.skipIf(!hasS3)('a hostile manifest in the store (needs versitygw)', () => {
  let s3: S3;
  beforeAll(async () => void (s3 = await startS3()));
  afterAll(() => s3.stop());

  it('writes no file anywhere', async () => {
    const port = await s3.bucket();
    const store = await openStore(port);
    const bytes = canonicalBytes(manifest([file('../../escaped'), file('b')]));
    const digest = digestOfBytes(bytes);
    await port.put(manifestKey(digest), bytes);
    const fetching = store.fetch(digest, path.join(s3.scratch, 'in', 'here'));
    await expect(fetching).rejects.toThrow(InvalidManifest);
    await expect(fetching).rejects.toMatchObject({ offender: '../../escaped' });
    expect(await readdir(s3.scratch)).toEqual(['home']);
    expect(await store.missing(digest)).toHaveLength(1);
  });

  it('whose whole-file digest lies about its chunks is found out', async () => {
    const port = await s3.bucket();
    const store = await openStore(port);
    const honest = await store.putFolder(await s3.folder({ a: Buffer.alloc(CHUNK_BYTES + 1) }), {
      kind: 'source',
    });
    const { files } = await store.manifest(honest.digest);
    const bytes = canonicalBytes(manifest(files.map((f) => ({ ...f, digest: x }))));
    const digest = digestOfBytes(bytes);
    await port.put(manifestKey(digest), bytes);
    await expect(store.fetch(digest, path.join(s3.scratch, 'lie'))).rejects.toThrow(CorruptInput);
    await expect(store.readFile(digest, 'a')).rejects.toThrow('listed as');
  });
});
