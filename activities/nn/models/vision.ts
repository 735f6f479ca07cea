/**
 * The vision towers of Qwen2-VL and Qwen2.5-VL: patches of all images in one matrix, attention within each frame of an image, and a
 * merger that makes one embedding of m × m neighbouring patches, which lie in consecutive rows.
 *
 * Qwen2.5-VL differs in its norms, its gated feed-forward layer and in attending, in most blocks, within windows of the image only.
 *
 * References: Wang et al. 2024, https://arxiv.org/abs/2409.12191; Bai et al. 2025, https://arxiv.org/abs/2502.13923;
 * transformers `models/qwen2_vl/modeling_qwen2_vl.py`, `models/qwen2_5_vl/modeling_qwen2_5_vl.py`.
 *
 * Deviation: 1. Windows of one frame are laid in the order of their size, which changes nothing in the result, so that equal ones
 * are handled as one batch.
 */
import { inLanes, laneSizes } from '../lanes.ts';
import { linear, weight } from '../linear.ts';
import type { Parameters } from '../linear.ts';
import type { Value } from '../ops/node.ts';
import { dim } from '../ops/shape.ts';
import type { Trace } from '../ops/trace.ts';
import { gelu, quickGelu, silu } from './activations.ts';
import type { ModelConfig, VisionConfig } from './config.ts';
import { layerNorm, rmsNorm } from './norms.ts';
import type { Grid } from './position-ids.ts';
import { rotate } from './rope.ts';
import type { Rotation } from './rope.ts';
import { fullAttention } from './full-attention.ts';
import { gridRotation } from './vision-rope.ts';
import { visionLayout } from './vision-windows.ts';

const epsilon = 1e-6;

/** Attention of one block: q, k, v [P, H, d], q and k turned → [P, H·d]. */
export type Attend = (q: Value, k: Value, v: Value) => Value;

/**
 * pixels [P, channels · frames · height · width], P = Σ t·h·w → image embeddings [P / m², outDim] in the images' order.
 * The grids are static: each set of them is a graph of its own.
 */
export function forwardVision(
  t: Trace,
  params: Parameters,
  config: ModelConfig,
  { pixels, grids }: { readonly pixels: Value; readonly grids: readonly Grid[] },
): Value {
  const vision = config.vision;
  const { frames, windows } = visionLayout(vision, grids);
  const rotation = gridRotation(t, vision, grids, windows?.rows);
  const patches = embedPatches(t, params, pixels);
  const x = windows === undefined ? patches : t.gather(patches, t.ints(windows.rows));
  const embeds = forwardPatches(t, params, vision, x, {
    rotation,
    whole: (q, k, v) => segmentAttention(t, q, k, v, frames),
    windowed: (q, k, v) => segmentAttention(t, q, k, v, windows?.lengths ?? frames),
  });
  return windows === undefined ? embeds : t.gather(embeds, t.ints(windows.places));
}

/** pixels [P, channels · frames · height · width] → [P, D]. One product: the convolution's stride is the size of its kernel. */
export const embedPatches = (t: Trace, params: Parameters, pixels: Value): Value => {
  const lanes = inLanes(t, pixels, laneSizes(dim(pixels.shape, 0), t.lanes));
  const embeds = lanes.map((own, lane) => linear(t, { ...params, lane }, 'visual.patch_embed.proj', own));
  return t.concat(embeds, 0);
};

/** The blocks and the merger: x [P, D] → [P / m², outDim], m × m neighbours in consecutive rows. */
export function forwardPatches(
  t: Trace,
  params: Parameters,
  vision: VisionConfig,
  x: Value,
  {
    rotation,
    whole,
    windowed,
  }: { readonly rotation: Rotation; readonly whole: Attend; readonly windowed: Attend },
): Value {
  const neighbours = vision.mergeSize ** 2;
  const sizes = laneSizes(dim(x.shape, 0) / neighbours, t.lanes).map((n) => n * neighbours);
  const laneParams = sizes.map((_, lane) => ({ ...params, lane }));
  const [cos, sin] = [inLanes(t, rotation.cos, sizes), inLanes(t, rotation.sin, sizes)];
  const block = (i: number, lanes: readonly Value[]): Value[] => {
    const name = `visual.blocks.${i}`;
    const attend = vision.kind === 'qwen2_vl' || vision.fullAttentionBlocks.includes(i) ? whole : windowed;
    const heads = lanes.map((x, lane) => {
      const turn = { cos: cos[lane]!, sin: sin[lane]! };
      const normed = norm(t, params, vision, `${name}.norm1`, x);
      const [q, k, v] = visionHeads(t, laneParams[lane]!, vision, `${name}.attn`, normed);
      return [rotate(t, q, turn), rotate(t, k, turn), v] as const;
    });
    const join = (side: 0 | 1 | 2): Value =>
      t.concat(
        heads.map((own) => own[side]),
        0,
      );
    const contexts = inLanes(t, attend(join(0), join(1), join(2)), sizes);
    return lanes.map((x, lane) => {
      const own = laneParams[lane]!;
      const attended = t.add(x, linear(t, own, `${name}.attn.proj`, contexts[lane]!));
      const inner = norm(t, params, vision, `${name}.norm2`, attended);
      return t.add(attended, feedForward(t, own, vision, `${name}.mlp`, inner));
    });
  };
  let lanes = inLanes(t, x, sizes);
  for (let i = 0; i < vision.depth; i++) {
    const before = lanes;
    lanes = t.segment(() => block(i, before));
  }
  const merged = lanes.map((x, lane) =>
    merge(t, laneParams[lane]!, norm(t, params, vision, 'visual.merger.ln_q', x), vision.mergeSize),
  );
  return t.concat(merged, 0);
}

/** x [P, D] → q, k and v [P, H, d]. */
function visionHeads(
  t: Trace,
  params: Parameters,
  { heads, dim }: VisionConfig,
  module: string,
  x: Value,
): readonly [Value, Value, Value] {
  const all = t.reshape(linear(t, params, `${module}.qkv`, x), [-1, 3, heads, dim / heads]);
  const [q = all, k = all, v = all] = t
    .split(all, [1, 1, 1], 1)
    .map((part) => t.reshape(part, [-1, heads, dim / heads]));
  return [q, k, v];
}

/** Attention within consecutive segments of rows, neighbours of equal length as one batch: q, k, v [P, H, d] → [P, H·d]. */
function segmentAttention(t: Trace, q: Value, k: Value, v: Value, lengths: readonly number[]): Value {
  const [, H = 0, D = 0] = q.shape;
  const contexts: Value[] = [];
  let from = 0;
  for (let i = 0; i < lengths.length;) {
    const L = dim(lengths, i);
    let N = 1;
    while (lengths[i + N] === L) N++;
    const part = (x: Value): Value => t.reshape(t.slice(x, [from, 0, 0], [N * L, H, D]), [N, L, H, D]);
    contexts.push(t.reshape(fullAttention(t, part(q), part(k), part(v)), [N * L, H * D]));
    from += N * L;
    i += N;
  }
  return t.concat(contexts, 0);
}

function feedForward(t: Trace, params: Parameters, { kind }: VisionConfig, module: string, x: Value): Value {
  if (kind === 'qwen2_vl')
    return linear(t, params, `${module}.fc2`, quickGelu(t, linear(t, params, `${module}.fc1`, x)));
  const gate = silu(t, linear(t, params, `${module}.gate_proj`, x));
  return linear(t, params, `${module}.down_proj`, t.mul(gate, linear(t, params, `${module}.up_proj`, x)));
}

/** x [P, D] normed → [P / m², outDim]. */
function merge(t: Trace, params: Parameters, x: Value, mergeSize: number): Value {
  const rows = t.reshape(x, [-1, dim(x.shape, -1) * mergeSize ** 2]);
  const inner = gelu(t, linear(t, params, 'visual.merger.mlp.0', rows));
  return linear(t, params, 'visual.merger.mlp.2', inner);
}

function norm(t: Trace, params: Parameters, { kind }: VisionConfig, module: string, x: Value): Value {
  const gain = weight(params, `${module}.weight`);
  if (kind === 'qwen2_5_vl') return rmsNorm(t, x, gain, epsilon);
  return layerNorm(t, x, gain, weight(params, `${module}.bias`), epsilon);
}
