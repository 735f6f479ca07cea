/** What was found of one thing that the project relies on. */
export interface Finding {
  readonly name: string;
  /** `warn`: works, but not as well as it could; `fail`: something will not work. */
  readonly state: 'ok' | 'warn' | 'fail';
  readonly says: string;
  /** What to do about it. */
  readonly cure?: string;
}

export const ok = (name: string, says: string): Finding => ({ name, state: 'ok', says });
export const warn = (name: string, says: string, cure: string): Finding => ({
  name,
  state: 'warn',
  says,
  cure,
});
export const fail = (name: string, says: string, cure: string): Finding => ({
  name,
  state: 'fail',
  says,
  cure,
});

/** The first line of what went wrong. */
export const wordsOf = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).split('\n')[0] ?? '';
