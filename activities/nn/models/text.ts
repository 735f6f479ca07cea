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
import type { Value } from '../ops/node.ts';
import { dim } from '../ops/shape.ts';
import type { Trace } from '../ops/trace.ts';
import { rowsOf } from '../tiles.ts';
import { silu } from './activations.ts';
import { causalAttention } from './attention.ts';
import type { Heads } from './attention.ts';
import type { ModelConfig, TextConfig } from './config.ts';
import { rmsNorm } from './norms.ts';
import { multimodalRotation, rotate } from './rope.ts';
import type { Rotation } from './rope.ts';

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

/** What becomes of the heads of a layer: the context of each query, [B, T, H·D]. */
export type Attend = (layer: number, heads: Heads) => Value;

/** The same, of the normed hidden states of a layer, [..., D] → [..., H·D]. */
export type Attention = (layer: number, x: Value) => Value;

/** Attention by the heads of whole rows. rotation [B, T, 1, d] */
export const attentionOf =
  (t: Trace, params: Parameters, config: TextConfig, rotation: Rotation, attend: Attend): Attention =>
  (layer, x) =>
    attend(layer, projectHeads(t, params, config, layer, x, rotation));

/** What the last layer computes where not all of its rows are of use. */
export interface LastLayer {
  /** The rows of use of hidden states. */
  readonly select: (x: Value) => Value;
  /** Their contexts, of the normed hidden states of all rows. */
  readonly attention: Attention;
}

/**
 * All layers and the final norm. `attention` is how a layer's queries see keys: whole sequences here, cached ones in generation.
 *
 * Shapes: x [..., D] → hidden [..., D], or what `last` selects of it.
 */
export function textLayers(
  t: Trace,
  params: Parameters,
  config: TextConfig,
  x: Value,
  attention: Attention,
  last: LastLayer = { select: (whole) => whole, attention },
): Value {
  const block = (layer: number, x: Value): Value => {
    const name = `model.layers.${layer}`;
    const normed = rmsNorm(t, x, weight(params, `${name}.input_layernorm.weight`), config.normEpsilon);
    const { select, attention: attend } =
      layer === config.layers - 1 ? last : { select: (whole: Value) => whole, attention };
    const context = attend(layer, normed);
    const attended = t.add(select(x), linear(t, params, `${name}.self_attn.o_proj`, context));
    const inner = rmsNorm(
      t,
      attended,
      weight(params, `${name}.post_attention_layernorm.weight`),
      config.normEpsilon,
    );
    return t.add(attended, feedForward(t, params, config, `${name}.mlp`, inner));
  };
  for (let layer = 0; layer < config.layers; layer++) {
    const before = x;
    x = t.segment(() => block(layer, before));
  }
  return rmsNorm(t, x, weight(params, 'model.norm.weight'), config.normEpsilon);
}

/** embeds [B, T, D], positions [3, B, T] int32 → hidden [B, T, D] after the final norm. */
export function forwardText(
  t: Trace,
  params: Parameters,
  config: ModelConfig,
  { embeds, positions }: { readonly embeds: Value; readonly positions: Value },
  attend: Attend = (_, heads) => causalAttention(t, heads),
): Value {
  const rotation = multimodalRotation(t, config.text, positions);
  return textLayers(t, params, config.text, embeds, attentionOf(t, params, config.text, rotation, attend));
}

/** Rows of hidden states by their place in the batch: hidden [B, T, D], index [N] into B·T → [N, D]. */
export const hiddenRows = (t: Trace, hidden: Value, index: Value): Value =>
  t.gather(t.reshape(hidden, [-1, dim(hidden.shape, -1)]), index);

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

/** x [B, T, D], rotation [B, T, 1, d] → the heads of a layer, turned. */
export function projectHeads(
  t: Trace,
  params: Parameters,
  { heads, kvHeads, headDim }: TextConfig,
  layer: number,
  x: Value,
  rotation: Rotation,
): Heads {
  const [B = 0, T = 0] = x.shape;
  const modules = headModules(layer);
  const turned = (heads + kvHeads) * headDim;
  const fused = fusedLinear(t, params, modules, x, [turned, kvHeads * headDim]);
  if (fused !== undefined) {
    const [qk = x, v = x] = fused.map((y) => t.reshape(y, [B, T, -1, headDim]));
    const [q = x, k = x] = t.split(rotate(t, qk, rotation), [heads, kvHeads], 2);
    return { q, k, v };
  }
  const [q = x, k = x, v = x] = linears(t, params, modules, x).map((y) => t.reshape(y, [B, T, -1, headDim]));
  return { q: rotate(t, q, rotation), k: rotate(t, k, rotation), v };
}

/** SwiGLU: `W_down(silu(W_gate x) · W_up x)`. */
function feedForward(t: Trace, params: Parameters, config: TextConfig, module: string, x: Value): Value {
  const I = config.intermediateSize;
  const modules = [`${module}.gate_proj`, `${module}.up_proj`];
  const down = (y: Value): Value => linear(t, params, `${module}.down_proj`, y);
  // One after the other, for one thread; and TensorFlow would hand gate · σ(gate) to oneDNN, which takes 200 µs to begin.
  const gated = ([gate = x, up = x]: readonly Value[]): Value => t.mul(t.mul(t.sigmoid(gate), up), gate);
  const tiles = fusedTiles(t, params, modules, x, [I, I]);
  if (tiles !== undefined) return down(t.reshape(rowsOf(t, gated(tiles)), [...x.shape.slice(0, -1), I]));
  const fused = fusedLinear(t, params, modules, x, [I, I]);
  if (fused !== undefined) return down(gated(fused));
  const [gate = x, up = x] = linears(t, params, modules, x);
  return down(t.mul(silu(t, gate), up));
}
