import { randomInt } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { StoreError, Throttled, Timeout } from './errors.ts';
import type { CallOptions } from './object-port.ts';

export interface RetryPolicy {
  /** Milliseconds for a call, retries included, where the call does not say. */
  readonly timeoutMs: number;
  /** Milliseconds for one attempt: a server that hangs is asked again before the deadline. */
  readonly attemptMs: number;
}

const FIRST_PAUSE_MS = 40;
const LONGEST_PAUSE_MS = 2000;

/**
 * Runs `attempt` until it succeeds, fails for good, or the deadline passes. Retryable `StoreError`s and errors that
 * are no `StoreError` (sockets, truncated bodies) are tried again after a jittered pause that doubles.
 * `attempt` gets a signal that ends it at its own time limit, at the deadline, or when the caller aborts.
 */
export async function withRetries<T>(
  what: string,
  policy: RetryPolicy,
  options: CallOptions,
  attempt: (signal: AbortSignal, count: number) => Promise<T>,
): Promise<T> {
  const timeoutMs = options.timeoutMs ?? policy.timeoutMs;
  const deadline = performance.now() + timeoutMs;
  for (let count = 0; ; count++) {
    options.signal?.throwIfAborted();
    const left = deadline - performance.now();
    let failure: unknown;
    try {
      return await limited(Math.min(left, policy.attemptMs), options.signal, (signal) =>
        attempt(signal, count),
      );
    } catch (error) {
      options.signal?.throwIfAborted();
      if (error instanceof StoreError && !error.retryable) throw error;
      failure = error;
    }
    const pause = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** count) * (randomInt(50, 101) / 100);
    if (performance.now() + pause >= deadline) throw final(what, timeoutMs, failure);
    await sleep(pause, undefined, options.signal ? { signal: options.signal } : {}).catch(() => undefined);
  }
}

async function limited<T>(
  milliseconds: number,
  outer: AbortSignal | undefined,
  run: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  const timer = setTimeout(
    () => {
      const late = new Error(`no answer within ${Math.round(milliseconds)} ms`);
      controller.abort(Object.assign(late, { code: 'ETIMEDOUT' }));
    },
    Math.max(1, milliseconds),
  );
  const forward = (): void => controller.abort(outer?.reason);
  // One signal ends many transfers at once: dozens of listeners are no leak.
  if (outer) setMaxListeners(0, outer);
  outer?.addEventListener('abort', forward, { once: true });
  try {
    return await run(controller.signal);
  } finally {
    clearTimeout(timer);
    outer?.removeEventListener('abort', forward);
  }
}

function final(what: string, timeoutMs: number, failure: unknown): Error {
  if (failure instanceof StoreError && !(failure instanceof Throttled)) return failure;
  const last = failure instanceof Error ? failure : new Error(String(failure));
  const code =
    (last as NodeJS.ErrnoException).code ?? (last.cause as NodeJS.ErrnoException | undefined)?.code;
  const detail = `${last.message}${code !== undefined && !last.message.includes(code) ? ` (${code})` : ''}`;
  const message = `${what}: no success within ${timeoutMs} ms, last failure: ${detail}`;
  return failure instanceof Throttled
    ? new Throttled(message, { cause: failure })
    : new Timeout(message, { cause: failure });
}
