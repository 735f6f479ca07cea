import type { Parameters } from '../linear.ts';
import type { TextConfig } from '../models/config.ts';
import { attentionNorm, feedForwardNorm, finalNorm, gated, gatedModules } from '../models/text.ts';
import type { Value } from '../ops/node.ts';
import type { Trace } from '../ops/trace.ts';
import { lanesOf } from './head-lanes.ts';
import type { HeadLanes } from './head-lanes.ts';
import { linearOfLanes, outputLane } from './lane-linear.ts';

/** A lane's contexts of new tokens, of the normed hidden states: x [R, D] → [R, H·d of the lane]. */
export type LaneAttention = (lane: number, layer: number, x: Value) => Value;

/** All layers and the final norm of one new token a row: x [R, D] → [R, D]. */
export function decodeLayers(
  t: Trace,
  params: Parameters,
  config: TextConfig,
  lanes: HeadLanes,
  x: Value,
  attend: LaneAttention,
): Value {
  for (let layer = 0; layer < config.layers; layer++) {
    const name = `model.layers.${layer}`;
    const normed = attentionNorm(t, params, config, layer, x);
    const contexts = lanesOf(lanes).map((lane) => attend(lane, layer, normed));
    const attended = t.add(x, linearOfLanes(t, params, `${name}.self_attn.o_proj`, contexts, lanes));
    const read = feedForwardNorm(t, params, config, layer, attended);
    const inner = lanesOf(lanes).map((lane) => {
      const own = outputLane(t, params, gatedModules(layer), lane, lanes);
      return gated(t, own, lanes.config, layer, read);
    });
    x = t.add(attended, linearOfLanes(t, params, `${name}.mlp.down_proj`, inner, lanes));
  }
  return finalNorm(t, params, config, x);
}
