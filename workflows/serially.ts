/** Runs calls one after another, in the order in which they were asked for. */
export type Serially = <T>(call: () => Promise<T>) => Promise<T>;

/**
 * One local activity at a time. A replay hands a workflow several finished local activities at once where the first
 * execution handed them over one by one; what they continue would then be scheduled in another order, and the history
 * would no longer fit. With one under way there is one order.
 */
export function createSerially(): Serially {
  let last: Promise<unknown> = Promise.resolve();
  return (call) => {
    const turn = last.then(call);
    last = turn.catch(() => undefined);
    return turn;
  };
}
