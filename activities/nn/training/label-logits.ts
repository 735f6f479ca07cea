/**
 * The forward pass of training: hidden states at the label places of a batch.
 * Legend: B rows, T length of the longest, N tokens, M label places, K image embeddings, D hidden size, V vocabulary.
 */
import { inLanes, laneSizes } from '../lanes.ts';
import type { Parameters } from '../linear.ts';
import { causalAttention } from '../models/attention.ts';
import type { ModelConfig, TextConfig } from '../models/config.ts';
import { multimodalRotation } from '../models/rope.ts';
import { attendRows, ofAllLanes } from '../models/row-attention.ts';
import type { Attend } from '../models/row-attention.ts';
import { embedTokens, outputTable, textLayers } from '../models/text.ts';
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

/** Attention within rows, for tokens that lie one after another and are cut into lanes wherever a row ends. */
const attendPacked = (t: Trace, { places, tokens }: BatchInputs, arithmetic: DType): Attend => {
  const [rows = 0, T = 0] = places.shape;
  const sizes = laneSizes(rows, t.lanes);
  const placesOf = inLanes(t, places, sizes); // [b, T]
  return (_, lanes) => {
    const [q, k, v] = [ofAllLanes(t, lanes, 'q'), ofAllLanes(t, lanes, 'k'), ofAllLanes(t, lanes, 'v')];
    const contexts = placesOf.map((at, lane) => {
      const heads = { q: t.gather(q, at), k: t.gather(k, at), v: t.gather(v, at) }; // [b, T, H, d]
      return t.reshape(causalAttention(t, heads, { arithmetic }), [sizes[lane]! * T, -1]);
    });
    const context = t.concat(contexts, 0); // [B·T, H·d]
    return inLanes(
      t,
      tokens,
      lanes.map((heads) => dim(heads.q.shape, 0)),
    ).map((own) => t.gather(context, own));
  };
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
  const [, N = 0, D = 0] = embeds.shape;
  const { dtype } = outputTable(params, config);
  const isOneRow = sameShape(batch.places.shape, [1, N]);
  const attend = isOneRow ? attendRows(t, N, dtype) : attendPacked(t, batch, dtype);
  const tokens = {
    embeds: t.reshape(embeds, [N, D]),
    rotation: multimodalRotation(t, config.text, batch.positions),
    lanes: laneSizes(N, t.lanes),
  };
  return t.gather(textLayers(t, params, config.text, tokens, attend), batch.targets);
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
