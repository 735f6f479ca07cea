/**
 * The forward pass of training: hidden states at the label places of a batch.
 * Legend: B rows, T length of the longest, N tokens, M label places, K image embeddings, D hidden size, V vocabulary.
 */
import type { Parameters } from '../linear.ts';
import { causalAttention } from '../models/attention.ts';
import type { ModelConfig, TextConfig } from '../models/config.ts';
import { multimodalRotation } from '../models/rope.ts';
import { attentionOf, embedTokens, hiddenRows, outputTable, textLayers } from '../models/text.ts';
import type { Attend } from '../models/text.ts';
import type { DType } from '../ops/dtype.ts';
import type { Value } from '../ops/node.ts';
import { dim, sameShape } from '../ops/shape.ts';
import type { Trace } from '../ops/trace.ts';
import type { BatchShape } from './batch-shapes.ts';

/** What every training entry point is fed; `packRows` makes it. */
export interface BatchInputs {
  /** [1, N] */
  readonly ids: Value;
  /** [3, 1, N] */
  readonly positions: Value;
  /** [B, T] */
  readonly places: Value;
  /** [N] */
  readonly tokens: Value;
  /** [M] */
  readonly targets: Value;
  /** [M] */
  readonly labels: Value;
}

export const declareBatch = (t: Trace, { rows, length, tokens, labels }: BatchShape): BatchInputs => ({
  ids: t.input('ids', [1, tokens], 'int32'),
  positions: t.input('positions', [3, 1, tokens], 'int32'),
  places: t.input('places', [rows, length], 'int32'),
  tokens: t.input('tokens', [tokens], 'int32'),
  targets: t.input('targets', [labels], 'int32'),
  labels: t.input('labels', [labels], 'int32'),
});

/** Attention within rows, for heads of tokens that lie one after another: [1, N, H, d] → [1, N, H·d]. */
const attendInRows =
  (t: Trace, { places, tokens }: BatchInputs, arithmetic: DType): Attend =>
  (_, heads) => {
    if (sameShape(places.shape, [1, dim(tokens.shape, 0)])) return causalAttention(t, heads, arithmetic);
    const spread = (x: Value): Value => {
      const [, n = 0, h = 0, d = 0] = x.shape;
      return t.reshape(t.gather(t.reshape(x, [n, h * d]), places), [...places.shape, h, d]); // [B, T, H, d]
    };
    const rows = { q: spread(heads.q), k: spread(heads.k), v: spread(heads.v) };
    const context = causalAttention(t, rows, arithmetic);
    return t.reshape(hiddenRows(t, context, tokens), [1, tokens.shape[0] ?? 0, -1]);
  };

/** Hidden states [M, D] at the label places, which give logits. Image embeddings [K, D] come with their index [1, N]. */
export const labelHidden = (
  t: Trace,
  params: Parameters,
  config: ModelConfig,
  batch: BatchInputs,
  images?: { readonly embeds: Value; readonly index: Value },
): Value => {
  const embeds = embedTokens(t, params, batch.ids, images); // [1, N, D]
  const rotation = multimodalRotation(t, config.text, batch.positions);
  const { dtype } = outputTable(params, config);
  const attention = attentionOf(t, params, config.text, rotation, attendInRows(t, batch, dtype));
  const hidden = textLayers(t, params, config.text, embeds, attention);
  return hiddenRows(t, hidden, batch.targets);
};

/**
 * Time of one query-key pair in that of one token's products, over all layers alike. Scores and context take 4·H·d
 * operations a pair, products two for each weight; softmax and mask, bound by memory, make a pair some four times
 * dearer than its operations (measured on two cores at width 128).
 */
const PAIR_FACTOR = 4.5;
export const pairCostOf = ({ heads, kvHeads, headDim, hiddenSize, intermediateSize }: TextConfig): number => {
  const weights = hiddenSize * ((2 * heads + 2 * kvHeads) * headDim + 3 * intermediateSize);
  return (PAIR_FACTOR * 4 * heads * headDim) / (2 * weights);
};
