/** A sequence of decisions drawn one after another from a key of its own. */
import { uniform, type RandomKey } from '../nn/random.ts';

export interface Draws {
  /** A number in [0, 1). */
  next(): number;
  /** True with probability p. */
  chance(p: number): boolean;
  /** One of them, each equally likely. */
  pick<T>(from: readonly T[]): T;
  /** All of them in random order. */
  shuffled<T>(from: readonly T[]): T[];
}

const BLOCK = 32;

export function createDraws(key: RandomKey): Draws {
  let block = new Float32Array(0);
  let at = 0;
  const next = (): number => {
    if (at % BLOCK === 0) block = uniform(key, BLOCK, at) as Float32Array<ArrayBuffer>;
    return block[at++ % BLOCK] ?? 0;
  };
  const below = (n: number): number => Math.floor(next() * n);
  return {
    next,
    chance: (p) => next() < p,
    pick(from) {
      const found = from[below(from.length)];
      if (found === undefined) throw new RangeError('nothing to pick from');
      return found;
    },
    shuffled(from) {
      const order = [...from];
      for (let last = order.length - 1; last > 0; last--) {
        const other = below(last + 1);
        [order[last], order[other]] = [order[other]!, order[last]!];
      }
      return order;
    },
  };
}
