/**
 * The memory of a process that trains or samples, predicted from the program it runs, before anything is loaded.
 *
 * Weights, trained state, caches and the values of a run are counted from the shapes of the graph. What Node, TensorFlow
 * and the graph itself take was measured: docs/performance.md says on what, and how far predictions are off.
 */

/** What a program holds and takes, in bytes. */
export interface Footprint {
  /** Variables that are written from outside: weights, trained state. */
  readonly filled: number;
  /** Variables that entry points alone write: caches, copies of weights. */
  readonly scratch: number;
  /** The most that is read ahead as variables are written. */
  readonly staged: number;
  /** Recorded operations of all entry points. */
  readonly nodes: number;
  /** The most that a run of each entry point holds of values of its own. */
  readonly entries: ReadonlyMap<string, number>;
}

/** Node with this project's modules, and TensorFlow's library, once both are loaded. */
const process = 490e6;

/** What TensorFlow's threads and kernels take when they first run. */
const kernels = 150e6;

/** An operation as it is recorded, written, read, rewritten and run. */
const operation = 20e3;

/** The most memory a process that runs a program holds, in bytes. */
export function predictedPeak({ filled, scratch, staged, nodes, entries }: Footprint): number {
  const running = kernels + scratch + Math.max(0, ...entries.values());
  return process + operation * nodes + filled + Math.max(staged, running);
}
