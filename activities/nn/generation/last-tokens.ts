import { linears } from '../linear.ts';
import type { Parameters } from '../linear.ts';
import type { TextConfig } from '../models/config.ts';
import { rotate } from '../models/rope.ts';
import type { Rotation } from '../models/rope.ts';
import { headModules } from '../models/text.ts';
import type { LastLayer } from '../models/text.ts';
import type { Value } from '../ops/node.ts';
import { dim } from '../ops/shape.ts';
import type { Trace } from '../ops/trace.ts';
import { cachedAttention } from './cached-attention.ts';
import { fillMask } from './caches.ts';

/**
 * The last layer of prompts, of which only the last tokens' hidden states are of use: all keys and values, one query each.
 *
 * last [P] int32: places of the last tokens in the batch, counted over N tokens of P prompts; rotation [N, 1, D]. `made` is told
 * of keys and values [N, KV, D].
 */
export function lastTokens(
  t: Trace,
  params: Parameters,
  { heads: H, kvHeads: KV, headDim: D }: TextConfig,
  rotation: Rotation,
  last: Value,
  made: (layer: number, heads: { readonly k: Value; readonly v: Value }) => void,
): LastLayer {
  const [P, N] = [dim(last.shape, 0), dim(rotation.cos.shape, 0)];
  const T = N / P;
  const select = (x: Value): Value => t.gather(x, last);
  const turn = { cos: select(rotation.cos), sin: select(rotation.sin) };
  const begins = t.ints(Array.from({ length: P }, (_, p) => p * T - 1));
  const mask = fillMask(t, t.reshape(t.sub(last, begins), [P, 1, 1, 1, 1]), T);
  return {
    select,
    attend(layer, x) {
      const [queries = '', ...others] = headModules(layer);
      const [q = x] = linears(t, params, [queries], select(x)); // [P, H·D]
      const [keys = x, v = x] = linears(t, params, others, x).map((y) => t.reshape(y, [N, KV, D]));
      const k = rotate(t, keys, rotation);
      made(layer, { k, v });
      const turned = rotate(t, t.reshape(q, [P, H, D]), turn);
      const scaled = t.reshape(t.scale(turned, 1 / Math.sqrt(D)), [P, KV, 1, H / KV, D]);
      const byHead = (y: Value) => ({
        shared: t.transpose(t.reshape(y, [P, T, KV, D]), [0, 2, 1, 3]),
        chunks: [],
      });
      return cachedAttention(t, scaled, byHead(k), byHead(v), mask);
    },
  };
}
