/**
 * Lanes of a step that computes one new token a row: each has a part of the heads and of the inner numbers, and the weights that make
 * them. What follows, o_proj and down_proj, each lane computes from its own part, and the sums are exchanged; or, where weights are
 * read as they are stored, it computes a part of the outputs of the whole.
 */
import type { TextConfig } from '../models/config.ts';
import type { Value } from '../ops/node.ts';
import { dim } from '../ops/shape.ts';
import type { Trace } from '../ops/trace.ts';

export interface HeadLanes {
  readonly count: number;
  /** The model as one lane sees it: its heads, its part of the inner numbers. */
  readonly config: TextConfig;
}

/** One lane where heads or outputs cannot be parted. */
export function headLanes(config: TextConfig, lanes: number): HeadLanes {
  const { heads, kvHeads, hiddenSize, intermediateSize, vocabSize } = config;
  const parted = [kvHeads, hiddenSize, intermediateSize, vocabSize];
  const count = parted.every((n) => n % lanes === 0) ? lanes : 1;
  const own = {
    heads: heads / count,
    kvHeads: kvHeads / count,
    intermediateSize: intermediateSize / count,
  };
  return { count, config: { ...config, ...own } };
}

/** The lanes themselves, to be mapped. */
export const lanesOf = ({ count }: HeadLanes): number[] => Array.from({ length: count }, (_, lane) => lane);

/** Outputs of modules [N, ...] one after another, as lanes have them: of each lane its part of every module. */
export function laneMajor(t: Trace, outputs: readonly Value[], count: number): Value {
  const [only] = outputs;
  if (only !== undefined && outputs.length === 1) return only;
  const parts = outputs.map((x) => t.split(x, Array<number>(count).fill(dim(x.shape, 0) / count), 0));
  return t.concat(Array.from({ length: count }, (_, lane) => parts.map((part) => part[lane]!)).flat(), 0);
}
