import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { NotFound, PreconditionFailed, Throttled, Timeout, Unauthorized } from '../../artifacts/errors.ts';
import { connectMinio } from '../../artifacts/minio-port.ts';
import type { ObjectPort } from '../../artifacts/object-port.ts';
import { bytesOf, hasS3, type S3, startS3 } from './_s3.ts';

describe.skipIf(!hasS3)('an S3 bucket through the port (needs versitygw)', () => {
  let s3: S3;
  let port: ObjectPort;
  beforeAll(async () => {
    s3 = await startS3();
    port = await s3.bucket();
  });
  afterAll(() => s3.stop());

  it('gives back what was put, whole or in part', async () => {
    const bytes = bytesOf(100_000);
    const { etag } = await port.put('a/whole', bytes);
    const got = await port.get('a/whole');
    expect(got.bytes.equals(bytes)).toBe(true);
    expect([got.etag, got.size]).toEqual([etag, 100_000]);
    expect(got.modified.getTime()).toBeGreaterThan(Date.now() - 3600_000);
    const part = await port.get('a/whole', { range: { start: 10, length: 5 } });
    expect(part.bytes.equals(bytes.subarray(10, 15))).toBe(true);
    expect((await port.head('a/whole')).size).toBe(100_000);
  });

  it('keeps an empty object', async () => {
    await port.put('a/empty', new Uint8Array());
    expect((await port.get('a/empty')).bytes.length).toBe(0);
  });

  it('says NotFound for get and head alike', async () => {
    await expect(port.get('nowhere')).rejects.toThrow(NotFound);
    await expect(port.head('nowhere')).rejects.toThrow(NotFound);
    await expect(port.delete('nowhere')).resolves.toBeUndefined();
  });

  it('puts if absent, and replaces only the object whose etag it is given', async () => {
    const { etag } = await port.put('a/once', Buffer.from('1'), { ifAbsent: true });
    await expect(port.put('a/once', Buffer.from('2'), { ifAbsent: true })).rejects.toThrow(
      PreconditionFailed,
    );
    const second = await port.put('a/once', Buffer.from('2'), { ifMatch: etag });
    await expect(port.put('a/once', Buffer.from('3'), { ifMatch: etag })).rejects.toThrow(PreconditionFailed);
    expect(second.etag).not.toBe(etag);
  });

  it('lets exactly one of 32 concurrent writers of one object win', async () => {
    const writes = Array.from({ length: 32 }, (_, i) =>
      port.put('a/race', Buffer.from(String(i)), { ifAbsent: true }),
    );
    const settled = await Promise.allSettled(writes);
    expect(settled.filter((s) => s.status === 'fulfilled')).toHaveLength(1);
    for (const s of settled) if (s.status === 'rejected') expect(s.reason).toBeInstanceOf(PreconditionFailed);
  });

  it('has the server refuse bytes that are not those of the declared sha256', async () => {
    const put = port.put('a/lie', Buffer.from('x'), { sha256: 'ab'.repeat(32), timeoutMs: 500 });
    await expect(put).rejects.toMatchObject({ name: 'Corrupt' });
    await expect(port.head('a/lie')).rejects.toThrow(NotFound);
  });

  it('lists by prefix in order, over pages', async () => {
    const names = Array.from({ length: 1100 }, (_, i) => `many/${String(i).padStart(4, '0')}`);
    await Promise.all(names.map((name) => port.put(name, Buffer.from('x'))));
    await port.put('many-more', Buffer.from('x'));
    const found: string[] = [];
    for await (const object of port.list('many/')) found.push(object.key);
    expect(found).toEqual(names);
    const after: string[] = [];
    for await (const object of port.list('many/', { startAfter: 'many/1097' })) after.push(object.key);
    expect(after).toEqual(names.slice(1098));
  });

  it('says Unauthorized for wrong credentials, at once', async () => {
    const wrong = connectMinio({ ...s3.settings, secretKey: 'wrong', bucket: 'test-1' });
    await expect(wrong).rejects.toThrow(Unauthorized);
  });

  it('ends by its deadline with Timeout when no server listens', async () => {
    const started = performance.now();
    const call = connectMinio({
      ...s3.settings,
      endpoint: 'http://127.0.0.1:9',
      bucket: 'bucket',
      timeoutMs: 600,
    });
    await expect(call).rejects.toThrow(Timeout);
    await expect(call).rejects.toThrow(/ECONNREFUSED/);
    expect(performance.now() - started).toBeLessThan(2000);
  });

  it('goes on when the server is killed and comes back', async () => {
    await port.put('a/before', Buffer.from('x'));
    await s3.kill();
    const waiting = port.get('a/before');
    await s3.start();
    expect((await waiting).bytes.toString()).toBe('x');
  });

  it('keeps to a size limit', async () => {
    await port.put('a/large', bytesOf(5000));
    await expect(port.get('a/large', { maxBytes: 4999 })).rejects.toThrow(/5000 bytes, more than the 4999/);
  });

  it('sees a file that was truncated under the server as another size, not as the object', async () => {
    await port.put('a/cut', bytesOf(5000));
    await writeFile(s3.fileOf(port, 'a/cut'), bytesOf(10));
    expect((await port.head('a/cut')).size).toBe(10);
  });
});

const served = async (answer: (count: number) => number | 'hang' | 'cut') => {
  let count = 0;
  const server = createServer((request, response) => {
    request.resume();
    if (request.url?.startsWith('/bucket') && !request.url.includes('x')) {
      response.end();
      return;
    }
    const what = answer(count++);
    if (what === 'hang') return;
    response.setHeader('content-length', 4);
    response.setHeader('etag', '"e"');
    response.statusCode = what === 'cut' ? 200 : what;
    if (what === 'cut') {
      response.write('12');
      setTimeout(() => response.destroy(), 10);
    } else response.end(request.method === 'HEAD' ? undefined : '1234');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const port = await connectMinio({
    endpoint,
    accessKey: 'a',
    secretKey: 'b',
    bucket: 'bucket',
    timeoutMs: 1500,
    attemptMs: 200,
  });
  return {
    port,
    asked: () => count,
    stop: () => (port.close(), server.closeAllConnections(), server.close()),
  };
};

describe('a server that misbehaves', () => {
  it('is asked again after a hang, a cut answer and a 503', async () => {
    const answers = ['hang', 'cut', 503, 200] as const;
    const { port, asked, stop } = await served((count) => answers[count] ?? 500);
    expect((await port.get('x')).bytes.toString()).toBe('1234');
    expect(asked()).toBe(4);
    stop();
  });

  it('that always hangs costs one deadline and says Timeout', async () => {
    const { port, stop } = await served(() => 'hang');
    const started = performance.now();
    await expect(port.get('x', { timeoutMs: 500 })).rejects.toThrow(Timeout);
    expect(performance.now() - started).toBeLessThan(1500);
    stop();
  });

  it('that always throttles ends in Throttled', async () => {
    const { port, asked, stop } = await served(() => 503);
    await expect(port.put('x', Buffer.from('1234'), { timeoutMs: 400 })).rejects.toThrow(Throttled);
    expect(asked()).toBeGreaterThan(1);
    stop();
  });

  it('is left at once when the caller aborts', async () => {
    const { port, stop } = await served(() => 'hang');
    const controller = new AbortController();
    const call = port.get('x', { signal: controller.signal });
    setTimeout(() => controller.abort(new Error('enough')), 50);
    await expect(call).rejects.toThrow('enough');
    stop();
  });
});
