import { AsyncLocalStorage } from 'node:async_hooks';
import * as http from 'node:http';
import * as https from 'node:https';
import type { ClientOptions } from 'minio';

/** What one attempt tells its HTTP request, and hears back from it. */
interface Attempt {
  readonly signal: AbortSignal;
  /** Status of the last answer: npm minio hides it from the error it throws for those it would retry. */
  status?: number;
}

const attempts = new AsyncLocalStorage<Attempt>();

/** Runs an npm minio call so that `signal` ends its HTTP request; the client itself has no way to. */
export async function withSignal<T>(
  signal: AbortSignal,
  call: () => Promise<T>,
): Promise<{ value: T } | { error: unknown; status: number | undefined }> {
  const attempt: Attempt = { signal };
  try {
    signal.throwIfAborted();
    return { value: await attempts.run(attempt, call) };
  } catch (error) {
    return { error: signal.aborted ? signal.reason : error, status: attempt.status };
  }
}

// The statuses on which npm minio drops the response unread, which would leave its connection open for good.
const DROPPED = new Set([408, 429, 499, 500, 502, 503, 504, 520]);

function transportOver(request: typeof http.request): unknown {
  return {
    request: (options: http.RequestOptions, onResponse: (response: http.IncomingMessage) => void) => {
      const attempt = attempts.getStore();
      return request({ ...options, ...(attempt && { signal: attempt.signal }) }, (response) => {
        if (attempt && response.statusCode !== undefined) attempt.status = response.statusCode;
        if (DROPPED.has(response.statusCode ?? 0)) response.resume();
        onResponse(response);
      });
    },
  };
}

/** Transport and keep-alive agent for npm minio's client. */
export function minioTransport(
  secure: boolean,
  connections: number,
): { transport: NonNullable<ClientOptions['transport']>; agent: http.Agent } {
  const settings: http.AgentOptions = { keepAlive: true, maxSockets: connections, scheduling: 'lifo' };
  return {
    transport: transportOver(secure ? https.request : http.request) as NonNullable<
      ClientOptions['transport']
    >,
    agent: secure ? new https.Agent(settings) : new http.Agent(settings),
  };
}
