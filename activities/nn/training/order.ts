/** The order of the data, a pure function of seed and epoch: where a training stands is told by its step alone. */
import { permutation, randomKey } from '../random.ts';

export interface WindowOrder {
  /** Optimizer steps in all. */
  readonly steps: number;
  /** Rows of optimizer step `step` (from 0), as positions in the data. */
  window(step: number): readonly number[];
}

/**
 * Windows of `size` rows over `epochs` passes through `rows` rows, each pass in an order of its own. The last window of
 * a pass may be smaller; no row is left out or seen twice in a pass.
 */
export const windowOrder = (
  rows: number,
  settings: {
    readonly size: number;
    readonly epochs: number;
    readonly shuffle: boolean;
    readonly seed: number;
  },
): WindowOrder => {
  const { size, epochs, shuffle, seed } = settings;
  const perEpoch = Math.ceil(rows / size);
  let known: { readonly epoch: number; readonly order: readonly number[] } | undefined;
  const orderOf = (epoch: number): readonly number[] => {
    if (known?.epoch !== epoch) {
      const order = shuffle
        ? Array.from(permutation(randomKey(seed, 'order', epoch), rows))
        : Array.from({ length: rows }, (_, i) => i);
      known = { epoch, order };
    }
    return known.order;
  };
  return {
    steps: perEpoch * epochs,
    window: (step) => {
      const at = (step % perEpoch) * size;
      return orderOf(Math.floor(step / perEpoch)).slice(at, at + size);
    },
  };
};
