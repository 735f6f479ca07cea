/** Transfers in flight at once, and the bytes they may hold together. */
const MAX_ITEMS = 24;
const MAX_BYTES = 6 * 8 * 1024 * 1024;

/**
 * Starts an asynchronous operation on each item, several at a time, and hands the results on in the items' order.
 * The first failure aborts those in flight, waits for them to end and is thrown.
 */
export async function throughWindow<T, R>(
  items: AsyncIterable<T> | Iterable<T>,
  bytesOf: (item: T) => number,
  outer: AbortSignal | undefined,
  start: (item: T, signal: AbortSignal) => Promise<R>,
  consume: (item: T, result: R) => Promise<void> | void,
): Promise<void> {
  const controller = new AbortController();
  const forward = (): void => controller.abort(outer?.reason);
  outer?.addEventListener('abort', forward, { once: true });
  const queue: { item: T; bytes: number; running: Promise<R> }[] = [];
  let held = 0;
  const next = async (): Promise<void> => {
    const first = queue[0];
    if (!first) return;
    const result = await first.running;
    queue.shift();
    held -= first.bytes;
    await consume(first.item, result);
  };
  try {
    outer?.throwIfAborted();
    for await (const item of items) {
      const bytes = bytesOf(item);
      const fits = (): boolean =>
        queue.length === 0 || (queue.length < MAX_ITEMS && held + bytes <= MAX_BYTES);
      while (!fits()) await next();
      outer?.throwIfAborted();
      const running = start(item, controller.signal);
      running.catch(() => undefined);
      queue.push({ item, bytes, running });
      held += bytes;
    }
    while (queue.length > 0) await next();
  } catch (error) {
    controller.abort(error);
    await Promise.allSettled(queue.map((entry) => entry.running));
    throw error;
  } finally {
    outer?.removeEventListener('abort', forward);
  }
}
