/** Limits of one call. Every call ends by its deadline, retries included, with `Timeout` or the last failure. */
export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds for the whole call, retries included. */
  readonly timeoutMs?: number | undefined;
}

export interface ObjectEntry {
  readonly key: string;
  readonly size: number;
  readonly etag: string;
  /** By the server's clock. */
  readonly modified: Date;
}

export interface PutOptions extends CallOptions {
  /** Put only where no object is (`PreconditionFailed` otherwise). */
  readonly ifAbsent?: boolean;
  /** Put only over the object with this etag. */
  readonly ifMatch?: string;
  /** Lower-case hex sha256 of the bytes where the caller knows it; computed otherwise. The server checks it. */
  readonly sha256?: string;
}

export interface GetOptions extends CallOptions {
  /** First byte and count of bytes. */
  readonly range?: { readonly start: number; readonly length: number };
  /** Larger bodies are refused as `Corrupt`; 64 MiB where not given. */
  readonly maxBytes?: number;
}

/**
 * All the store needs of an S3 server: whole objects, written in one atomic PUT each.
 * Failures are the classes of `errors.ts`; an abort throws the signal's reason.
 */
export interface ObjectPort {
  /** For messages: endpoint and bucket, never credentials. */
  readonly description: string;
  put(key: string, bytes: Uint8Array, options?: PutOptions): Promise<{ etag: string }>;
  /** Throws `NotFound`. */
  get(key: string, options?: GetOptions): Promise<ObjectEntry & { bytes: Buffer }>;
  /** Throws `NotFound`. */
  head(key: string, options?: CallOptions): Promise<ObjectEntry>;
  /** Objects whose key starts with `prefix`, in order of key. */
  list(prefix: string, options?: CallOptions & { startAfter?: string }): AsyncIterable<ObjectEntry>;
  /** Deleting what is not there is no error. */
  delete(key: string, options?: CallOptions): Promise<void>;
  /** Closes idle connections. */
  close(): void;
}
