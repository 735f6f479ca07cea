/**
 * The vision tower of Qwen2-VL: patches of all images in one matrix, full attention within each frame of an image, and a merger
 * that makes one embedding of 2 × 2 neighbouring patches, which lie in consecutive rows.
 *
 * Reference: Wang et al. 2024, https://arxiv.org/abs/2409.12191; transformers `models/qwen2_vl/modeling_qwen2_vl.py`.
 */
import { linear, weight } from '../linear.ts';
import type { Parameters } from '../linear.ts';
import type { Value } from '../ops/node.ts';
import { dim } from '../ops/shape.ts';
import type { Trace } from '../ops/trace.ts';
import { gelu, quickGelu } from './activations.ts';
import type { ModelConfig, Qwen2Vision } from './config.ts';
import { layerNorm } from './norms.ts';
import type { Grid } from './position-ids.ts';
import { rotate } from './rope.ts';
import { gridRotation } from './vision-rope.ts';

const epsilon = 1e-6;

/**
 * pixels [P, channels · frames · height · width], P = Σ t·h·w → image embeddings [P / mergeSize², outDim] in the images' order.
 * The grids are static: each set of them is a graph of its own.
 */
export function forwardVision(
  t: Trace,
  params: Parameters,
  config: ModelConfig,
  { pixels, grids }: { readonly pixels: Value; readonly grids: readonly Grid[] },
): Value {
  const vision = config.vision;
  if (vision.kind !== 'qwen2_vl') throw new TypeError(`${vision.kind}: no such vision tower`);
  const rotation = gridRotation(t, vision, grids);
  const frames = grids.flatMap(({ t, h, w }) => Array.from({ length: t }, () => h * w));
  let x = patchEmbed(t, params, pixels); // [P, D]
  for (let i = 0; i < vision.depth; i++) {
    const name = `visual.blocks.${i}`;
    const normed = layerNormOf(t, params, `${name}.norm1`, x);
    const [q, k, v] = visionHeads(t, params, vision, `${name}.attn`, normed);
    const context = segmentAttention(t, rotate(t, q, rotation), rotate(t, k, rotation), v, frames);
    x = t.add(x, linear(t, params, `${name}.attn.proj`, context));
    const inner = linear(t, params, `${name}.mlp.fc1`, layerNormOf(t, params, `${name}.norm2`, x));
    x = t.add(x, linear(t, params, `${name}.mlp.fc2`, quickGelu(t, inner)));
  }
  return merge(t, params, layerNormOf(t, params, 'visual.merger.ln_q', x), vision.mergeSize);
}

/** One product: the convolution's stride is the size of its kernel. */
export function patchEmbed(t: Trace, params: Parameters, pixels: Value): Value {
  return linear(t, params, 'visual.patch_embed.proj', pixels);
}

/** x [P, D] → q, k and v [P, H, d]. */
export function visionHeads(
  t: Trace,
  params: Parameters,
  { heads, dim }: Pick<Qwen2Vision, 'heads' | 'dim'>,
  module: string,
  x: Value,
): readonly [Value, Value, Value] {
  const all = t.reshape(linear(t, params, `${module}.qkv`, x), [-1, 3, heads, dim / heads]);
  const [q = all, k = all, v = all] = t
    .split(all, [1, 1, 1], 1)
    .map((part) => t.reshape(part, [-1, heads, dim / heads]));
  return [q, k, v];
}

/** Attention within consecutive segments of rows: neighbours of equal length are handled as one batch. q, k, v [P, H, d] → [P, H·d]. */
export function segmentAttention(t: Trace, q: Value, k: Value, v: Value, lengths: readonly number[]): Value {
  const [, H = 0, D = 0] = q.shape;
  const scaled = t.scale(q, 1 / Math.sqrt(D));
  const contexts: Value[] = [];
  let from = 0;
  for (let i = 0; i < lengths.length;) {
    const L = dim(lengths, i);
    let N = 1;
    while (lengths[i + N] === L) N++;
    const part = (x: Value): Value =>
      t.transpose(t.reshape(t.slice(x, [from, 0, 0], [N * L, H, D]), [N, L, H, D]), [0, 2, 1, 3]); // [N, H, L, D]
    const weights = t.softmax(t.batchMatmul(part(scaled), part(k), false, true));
    const context = t.transpose(t.batchMatmul(weights, part(v)), [0, 2, 1, 3]);
    contexts.push(t.reshape(context, [N * L, H * D]));
    from += N * L;
    i += N;
  }
  return t.concat(contexts, 0);
}

/** x [P, D] normed → [P / mergeSize², outDim]. */
export function merge(t: Trace, params: Parameters, x: Value, mergeSize: number): Value {
  const rows = t.reshape(x, [-1, dim(x.shape, -1) * mergeSize ** 2]);
  const inner = gelu(t, linear(t, params, 'visual.merger.mlp.0', rows));
  return linear(t, params, 'visual.merger.mlp.2', inner);
}

const layerNormOf = (t: Trace, params: Parameters, module: string, x: Value): Value =>
  layerNorm(t, x, weight(params, `${module}.weight`), weight(params, `${module}.bias`), epsilon);
