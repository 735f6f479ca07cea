/**
 * What threads do in a merge: work on one tensor that is cut into blocks, which they take one by one.
 *
 * Large arrays lie in memory that the threads share. Blocks do not depend on the number of threads, counts are whole
 * numbers, and sums are made block by block, so that the result does not depend on it either.
 * Legend: N rows and K columns of the tensor (outputs and inputs of a linear layer), n = N·K entries, r rank.
 */
import { entriesOf, entriesOfBlock } from './blocks.ts';
import { combine, sumProducts } from './combine-block.ts';
import type { Results, Task } from './task.ts';
import { countLower, countTies, makeVector } from './vector-block.ts';

/** Does one block of a task. */
export const perform = (task: Task, block: number): Results[Task['kind']] => {
  const size = entriesOfBlock(task);
  const range = { from: block * size, to: Math.min(entriesOf(task), (block + 1) * size) };
  if (task.kind === 'vector') return makeVector(task, range);
  if (task.kind === 'count') return countLower(task, range);
  if (task.kind === 'ties') return countTies(task, range);
  if (task.kind === 'inner-products') return sumProducts(task, range);
  return combine(task, block, range);
};
