/**
 * Lanes: the tokens of a batch, or the outputs of a layer, cut into parts whose operations do not wait for each other.
 *
 * TensorFlow runs operations of different lanes at the same time. On a CPU that is faster than to give each operation all threads:
 * a thread stays with its part of the work from one exchange to the next, and neither waits for the other at each operation, nor is
 * woken by it. By tokens it is sequence parallelism, by the outputs of layers tensor parallelism (Shoeybi et al. 2019,
 * https://arxiv.org/abs/1909.08053).
 */
import type { Value } from './ops/node.ts';
import type { Trace } from './ops/trace.ts';

/**
 * How many lanes a graph for processors is cut into, whatever their cores: results depend on it in their last bits. One for a GPU,
 * which runs one operation at a time.
 */
export const processorLanes = 2;

/** How many of n things each lane gets, as equal as may be; no lane is empty. */
export const laneSizes = (n: number, count: number): number[] => {
  const lanes = Math.max(1, Math.min(count, n));
  const cut = (lane: number): number => Math.ceil((lane * n) / lanes);
  return Array.from({ length: lanes }, (_, lane) => cut(lane + 1) - cut(lane));
};

/** Each lane's rows of [n, ...]; parts of memory, not copies, where rows are a multiple of 64 bytes. */
export const inLanes = (t: Trace, x: Value, sizes: readonly number[]): readonly Value[] =>
  t.split(x, sizes, 0);
