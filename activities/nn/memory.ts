/** The memory of a process that trains or samples, predicted from its program. */

/** What a program holds and takes, in bytes. */
export interface Footprint {
  /** Variables and constants: weights, trained state, caches. */
  readonly held: number;
  /** Recorded operations, of all entry points. */
  readonly nodes: number;
  /** The most that a run of each entry point holds of its own values. */
  readonly entries: ReadonlyMap<string, number>;
}
