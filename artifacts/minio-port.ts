import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { Client } from 'minio';
import { Corrupt, PreconditionFailed } from './errors.ts';
import { minioTransport, withSignal } from './minio-transport.ts';
import type { CallOptions, GetOptions, ObjectEntry, ObjectPort, PutOptions } from './object-port.ts';
import { withRetries, type RetryPolicy } from './retry.ts';
import { s3Failure } from './s3-failure.ts';

export interface MinioSettings {
  /** `http://host:port` or `https://…`. */
  readonly endpoint: string;
  readonly accessKey: string;
  readonly secretKey: string;
  readonly bucket: string;
  readonly region?: string;
  /** Milliseconds for a call, retries included; 30 s where not given. */
  readonly timeoutMs?: number;
  /** Milliseconds for one attempt; 15 s where not given. */
  readonly attemptMs?: number;
  /** Connections kept open; 32 where not given. */
  readonly connections?: number;
}

const MAX_BODY = 64 * 1024 * 1024;

/**
 * An S3 bucket through npm minio, made where it is not there.
 *
 * Of the client only single requests are used (`makeRequestStreamAsync`, `makeRequestAsync`, one page of a listing):
 * its multipart engine loses and mixes parts, and it has neither deadline nor abort of its own. Deadlines, retries
 * and aborts come from `withRetries` and a transport that passes the signal on.
 */
export async function connectMinio(settings: MinioSettings): Promise<ObjectPort> {
  const port = new MinioPort(settings);
  await port.makeBucket();
  return port;
}

class MinioPort implements ObjectPort {
  readonly description: string;
  private readonly client: Client;
  private readonly bucket: string;
  private readonly region: string;
  private readonly secure: boolean;
  private readonly policy: RetryPolicy;
  private readonly agent: ReturnType<typeof minioTransport>['agent'];

  constructor(settings: MinioSettings) {
    const url = new URL(settings.endpoint);
    this.secure = url.protocol === 'https:';
    this.bucket = settings.bucket;
    this.region = settings.region ?? 'us-east-1';
    this.description = `${url.origin}/${settings.bucket}`;
    this.policy = { timeoutMs: settings.timeoutMs ?? 30_000, attemptMs: settings.attemptMs ?? 15_000 };
    const { transport, agent } = minioTransport(this.secure, settings.connections ?? 32);
    this.agent = agent;
    this.client = new Client({
      endPoint: url.hostname,
      port: Number(url.port || (this.secure ? 443 : 80)),
      useSSL: this.secure,
      accessKey: settings.accessKey,
      secretKey: settings.secretKey,
      region: this.region,
      pathStyle: true,
      transport,
      transportAgent: agent,
      retryOptions: { disableRetry: true },
    });
  }

  async makeBucket(options: CallOptions = {}): Promise<void> {
    await this.call(`bucket ${this.description}`, options, async () => {
      if (await this.client.bucketExists(this.bucket)) return;
      await this.client.makeBucket(this.bucket, this.region).catch((error: unknown) => {
        const code = error instanceof Error && 'code' in error ? error.code : '';
        if (code !== 'BucketAlreadyOwnedByYou' && code !== 'BucketAlreadyExists') throw error;
      });
    });
  }

  async put(key: string, bytes: Uint8Array, options: PutOptions = {}): Promise<{ etag: string }> {
    const body = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const hex = options.sha256 ?? createHash('sha256').update(body).digest('hex');
    const headers: Record<string, string> = {
      'content-length': String(body.length),
      'content-type': 'application/octet-stream',
      'x-amz-checksum-sha256': Buffer.from(hex, 'hex').toString('base64'),
      ...(options.ifAbsent === true && { 'if-none-match': '*' }),
      ...(options.ifMatch !== undefined && { 'if-match': `"${options.ifMatch}"` }),
    };
    let attempts = 0;
    try {
      return await this.call(key, options, async (count) => {
        attempts = count;
        const response = await this.request('PUT', key, { ...headers }, body, this.secure ? '' : hex, [200]);
        response.resume();
        return { etag: unquote(response.headers.etag) };
      });
    } catch (error) {
      // The answer to an attempt that did succeed may have been lost: the next one then meets its own object.
      if (!(error instanceof PreconditionFailed) || attempts === 0) throw error;
      const there = await this.get(key, { ...options, maxBytes: MAX_BODY });
      if (!there.bytes.equals(body)) throw error;
      return { etag: there.etag };
    }
  }

  async get(key: string, options: GetOptions = {}): Promise<ObjectEntry & { bytes: Buffer }> {
    const { range } = options;
    const headers: Record<string, string> = range
      ? { range: `bytes=${range.start}-${range.start + range.length - 1}` }
      : {};
    return this.call(key, options, async () => {
      const response = await this.request('GET', key, { ...headers }, '', undefined, [range ? 206 : 200]);
      const entry = entryOf(key, response);
      if (entry.size > (options.maxBytes ?? MAX_BODY)) {
        response.destroy();
        throw new Corrupt(
          key,
          `has ${entry.size} bytes, more than the ${options.maxBytes ?? MAX_BODY} allowed here`,
        );
      }
      return { ...entry, bytes: await bodyOf(response, entry.size) };
    });
  }

  async head(key: string, options: CallOptions = {}): Promise<ObjectEntry> {
    return this.call(key, options, async () => {
      const response = await this.request('HEAD', key, {}, '', undefined, [200]);
      response.resume();
      return entryOf(key, response);
    });
  }

  async *list(
    prefix: string,
    options: CallOptions & { startAfter?: string } = {},
  ): AsyncGenerator<ObjectEntry> {
    let token = '';
    do {
      const page = await this.call(`${prefix}*`, options, () =>
        this.client.listObjectsV2Query(this.bucket, prefix, token, '', 1000, options.startAfter ?? ''),
      );
      for (const object of page.objects) {
        if (object.name === undefined) continue;
        const etag = unquote(object.etag);
        yield { key: object.name, size: object.size, etag, modified: new Date(object.lastModified) };
      }
      token = page.isTruncated ? page.nextContinuationToken : '';
    } while (token !== '');
  }

  async delete(key: string, options: CallOptions = {}): Promise<void> {
    await this.call(key, options, async () => {
      (await this.request('DELETE', key, {}, '', undefined, [200, 204, 404])).resume();
    });
  }

  close(): void {
    this.agent.destroy();
  }

  private async request(
    method: string,
    key: string,
    headers: Record<string, string>,
    body: Buffer | '',
    sha256: string | undefined,
    expected: number[],
  ): Promise<IncomingMessage> {
    const options = { method, bucketName: this.bucket, objectName: key, headers };
    return sha256 === undefined
      ? this.client.makeRequestAsync(options, body, expected, this.region)
      : this.client.makeRequestStreamAsync(options, body, sha256, expected, this.region);
  }

  private async call<T>(
    object: string,
    options: CallOptions,
    run: (count: number) => Promise<T>,
  ): Promise<T> {
    return withRetries(`${this.description}: ${object}`, this.policy, options, async (signal, count) => {
      const outcome = await withSignal(signal, () => run(count));
      if ('value' in outcome) return outcome.value;
      throw s3Failure(object, outcome.error, outcome.status);
    });
  }
}

const unquote = (etag: string | undefined): string => (etag ?? '').replace(/^"|"$/g, '');

function entryOf(key: string, response: IncomingMessage): ObjectEntry {
  return {
    key,
    size: Number(response.headers['content-length'] ?? Number.NaN),
    etag: unquote(response.headers.etag),
    modified: new Date(response.headers['last-modified'] ?? Number.NaN),
  };
}

async function bodyOf(response: IncomingMessage, size: number): Promise<Buffer> {
  const body = Buffer.allocUnsafe(size);
  let filled = 0;
  for await (const piece of response as AsyncIterable<Buffer>) {
    if (filled + piece.length > size) throw new Error(`more than the announced ${size} bytes`);
    filled += piece.copy(body, filled);
  }
  if (filled !== size) throw new Error(`${filled} of the announced ${size} bytes`);
  return body;
}
