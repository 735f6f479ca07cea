/** How a task is cut: into blocks that threads take one by one, and these into parts that a core's cache holds. */
import { bytesOf } from '../nn/checkpoint/dtype.ts';
import { kernels } from './kernels.ts';
import type { Task } from './task.ts';

/** Entries of a block. */
const BLOCK = 1 << 20;
/** Entries of each array that lie in the kernels' memory at once. */
export const PART = 1 << 14;

export const entriesOf = (task: Task): number => {
  if ('vector' in task) return task.vector.length;
  return task.base.byteLength / bytesOf(task.from);
};

/** Blocks of a vector are of whole rows. */
export const entriesOfBlock = (task: Task): number =>
  task.kind === 'vector' ? Math.max(1, Math.floor(BLOCK / task.columns)) * task.columns : BLOCK;

export const blocksOf = (task: Task): number => Math.ceil(entriesOf(task) / entriesOfBlock(task));

export interface Range {
  readonly from: number;
  readonly to: number;
}

/** Parts of a range of at most `size` entries. */
export const partsOf = function* ({ from, to }: Range, size = PART): Generator<Range> {
  for (let at = from; at < to; at += size) yield { from: at, to: Math.min(to, at + size) };
};

export const ceil4 = (n: number): number => Math.ceil(n / 4) * 4;

/** Puts entries into the kernels' memory, with zeros up to a multiple of four. */
export const put = (address: number, entries: Float32Array): void => {
  const padded = kernels().floats(address, ceil4(entries.length));
  padded.set(entries);
  padded.fill(0, entries.length);
};
