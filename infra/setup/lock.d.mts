/** Runs `work` while no other process runs work under the same lock file; `tell` hears who is waited for. */
export declare function locked<T>(
  lock: string,
  work: () => Promise<T>,
  tell?: (holder: string) => void,
): Promise<T>;
