/**
 * The language model of Qwen2-VL and Qwen2.5-VL: a pre-norm decoder with grouped-query attention, M-RoPE and SwiGLU.
 *
 * Rows are right-padded. A token attends to itself and to what is before it in its row, so that padding, which comes last, is
 * never seen by a token that counts; what is computed for padding is finite and unused.
 *
 * Reference: Wang et al. 2024, https://arxiv.org/abs/2409.12191; transformers `models/qwen2_vl/modeling_qwen2_vl.py`.
 */
import { fusedLinear, fusedTiles, linear, linears, weight } from '../linear.ts';
import type { Parameters } from '../linear.ts';
import { inLanes } from '../lanes.ts';
import type { Value } from '../ops/node.ts';
import { dim } from '../ops/shape.ts';
import type { Trace } from '../ops/trace.ts';
import { rowsOf } from '../tiles.ts';
import { silu } from './activations.ts';
import type { Heads } from './attention.ts';
import type { ModelConfig, TextConfig } from './config.ts';
import { rmsNorm } from './norms.ts';
import { multimodalRotation, rotate } from './rope.ts';
import type { Rotation } from './rope.ts';
import { attendRows, tokenLanes } from './row-attention.ts';
import type { Attend } from './row-attention.ts';

/** Embeddings of images and, for each token, where its embedding lies: its own place in the batch, or B·T + row of an image embedding. */
export interface ImageInputs {
  /** [M, D] */
  readonly embeds: Value;
  /** [B, T] int32 */
  readonly index: Value;
}

/** ids [B, T] int32 → [B, T, D]; image embeddings take the places that the index gives them. Without them ids may be [...]. */
export function embedTokens(t: Trace, params: Parameters, ids: Value, images?: ImageInputs): Value {
  const table = weight(params, 'model.embed_tokens.weight');
  const text = t.cast(t.gather(table, ids), 'float32'); // [B, T, D]
  if (images === undefined) return text;
  const rows = t.reshape(text, [-1, dim(text.shape, -1)]); // [B·T, D]
  return t.gather(t.concat([rows, images.embeds], 0), images.index);
}

/** Tokens that lie one after another, cut into lanes. */
export interface Tokens {
  /** [N, D] */
  readonly embeds: Value;
  /** [N, 1, d] */
  readonly rotation: Rotation;
  /** Tokens of each lane. */
  readonly lanes: readonly number[];
}

/** The last layer where the final hidden states of few tokens are of use. */
export interface LastLayer {
  /** The rows of use of hidden states [N, D]. */
  readonly select: (x: Value) => Value;
  /** Their contexts, of the normed hidden states of all tokens. */
  readonly attend: (layer: number, x: Value) => Value;
}

/** All layers and the final norm: hidden [N, D], or what `last` selects of it. */
export function textLayers(
  t: Trace,
  params: Parameters,
  config: TextConfig,
  { embeds, rotation, lanes: sizes }: Tokens,
  attend: Attend,
  last?: LastLayer,
): Value {
  const [cos, sin] = [inLanes(t, rotation.cos, sizes), inLanes(t, rotation.sin, sizes)];
  const laneParams = sizes.map((_, lane) => ({ ...params, lane }));
  const block = (layer: number, lanes: readonly Value[]): Value[] => {
    const heads = lanes.map((x, lane) => {
      const normed = attentionNorm(t, params, config, layer, x);
      return projectHeads(t, laneParams[lane]!, config, layer, normed, { cos: cos[lane]!, sin: sin[lane]! });
    });
    const contexts = attend(layer, heads);
    return lanes.map((x, lane) => afterAttention(t, laneParams[lane]!, config, layer, x, contexts[lane]!));
  };
  let lanes = inLanes(t, embeds, sizes);
  for (let layer = 0; layer < config.layers - (last === undefined ? 0 : 1); layer++) {
    const before = lanes;
    lanes = t.segment(() => block(layer, before));
  }
  if (last === undefined)
    return t.concat(
      lanes.map((x) => finalNorm(t, params, config, x)),
      0,
    );
  const layer = config.layers - 1;
  const x = t.concat(lanes, 0);
  const context = last.attend(layer, attentionNorm(t, params, config, layer, x));
  return finalNorm(t, params, config, afterAttention(t, params, config, layer, last.select(x), context));
}

/** What a layer's heads are made of. x [..., D] */
export const attentionNorm = (
  t: Trace,
  params: Parameters,
  { normEpsilon }: TextConfig,
  layer: number,
  x: Value,
): Value => rmsNorm(t, x, weight(params, `model.layers.${layer}.input_layernorm.weight`), normEpsilon);

/** What a layer's feed-forward part reads. x [..., D] */
export const feedForwardNorm = (
  t: Trace,
  params: Parameters,
  { normEpsilon }: TextConfig,
  layer: number,
  x: Value,
): Value =>
  rmsNorm(t, x, weight(params, `model.layers.${layer}.post_attention_layernorm.weight`), normEpsilon);

export const finalNorm = (t: Trace, params: Parameters, { normEpsilon }: TextConfig, x: Value): Value =>
  rmsNorm(t, x, weight(params, 'model.norm.weight'), normEpsilon);

/** The rest of a layer: x [n, D], context [n, H·d] → [n, D]. */
function afterAttention(
  t: Trace,
  params: Parameters,
  config: TextConfig,
  layer: number,
  x: Value,
  context: Value,
): Value {
  const name = `model.layers.${layer}`;
  const attended = t.add(x, linear(t, params, `${name}.self_attn.o_proj`, context));
  const inner = gated(t, params, config, layer, feedForwardNorm(t, params, config, layer, attended));
  return t.add(attended, linear(t, params, `${name}.mlp.down_proj`, inner));
}

/** embeds [B, T, D], positions [3, B, T] int32 → hidden [B, T, D] after the final norm. */
export function forwardText(
  t: Trace,
  params: Parameters,
  { text }: ModelConfig,
  { embeds, positions }: { readonly embeds: Value; readonly positions: Value },
): Value {
  const [B = 0, T = 0, D = 0] = embeds.shape;
  const tokens = {
    embeds: t.reshape(embeds, [B * T, D]),
    rotation: multimodalRotation(t, text, positions),
    lanes: tokenLanes(t, B, T),
  };
  return t.reshape(textLayers(t, params, text, tokens, attendRows(t, T)), [B, T, D]);
}

/** Whose weight [V, D] hidden states become logits by: a module of its own, or the embeddings. */
export const headModule = ({ text }: ModelConfig): string => (text.tied ? 'model.embed_tokens' : 'lm_head');

export const outputTable = (params: Parameters, config: ModelConfig): Value =>
  weight(params, `${headModule(config)}.weight`);

/** hidden [N, D] → logits [N, V] float32. */
export const logits = (t: Trace, params: Parameters, config: ModelConfig, hidden: Value): Value =>
  linear(t, params, headModule(config), hidden);

/** The modules that make the heads of a layer. */
export const headModules = (layer: number): string[] =>
  ['q_proj', 'k_proj', 'v_proj'].map((name) => `model.layers.${layer}.self_attn.${name}`);

/** x [n, D], rotation [n, 1, d] → the heads of a layer, turned. */
export function projectHeads(
  t: Trace,
  params: Parameters,
  { heads, kvHeads, headDim }: TextConfig,
  layer: number,
  x: Value,
  rotation: Rotation,
): Heads {
  const n = dim(x.shape, 0);
  const modules = headModules(layer);
  const turned = (heads + kvHeads) * headDim;
  const fused = fusedLinear(t, params, modules, x, [turned, kvHeads * headDim]);
  if (fused !== undefined) {
    const [qk = x, v = x] = fused.map((y) => t.reshape(y, [n, -1, headDim]));
    const [q = x, k = x] = t.split(rotate(t, qk, rotation), [heads, kvHeads], 1);
    return { q, k, v };
  }
  const [q = x, k = x, v = x] = linears(t, params, modules, x).map((y) => t.reshape(y, [n, -1, headDim]));
  return { q: rotate(t, q, rotation), k: rotate(t, k, rotation), v };
}

/** The modules that make the inner numbers of a layer. */
export const gatedModules = (layer: number): string[] =>
  ['gate_proj', 'up_proj'].map((name) => `model.layers.${layer}.mlp.${name}`);

/** The inner part of SwiGLU, `silu(W_gate x) · W_up x`: x [n, D] → [n, I]. */
export function gated(
  t: Trace,
  params: Parameters,
  { intermediateSize: I }: TextConfig,
  layer: number,
  x: Value,
): Value {
  const modules = gatedModules(layer);
  // One after the other, for one thread; and TensorFlow would hand gate · σ(gate) to oneDNN, which takes 200 µs to begin.
  const product = ([gate = x, up = x]: readonly Value[]): Value => t.mul(t.mul(t.sigmoid(gate), up), gate);
  const tiles = fusedTiles(t, params, modules, x, [I, I]);
  if (tiles !== undefined) return rowsOf(t, product(tiles));
  const fused = fusedLinear(t, params, modules, x, [I, I]);
  if (fused !== undefined) return product(fused);
  const [gate = x, up = x] = linears(t, params, modules, x);
  return t.mul(silu(t, gate), up);
}
