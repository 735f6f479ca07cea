import { scaleOf } from '../checkpoint/adapter.ts';
import type { Adapter } from '../checkpoint/adapter.ts';
import type { Checkpoint } from '../checkpoint/checkpoint.ts';
import type { Parameters } from '../linear.ts';
import type { DType } from '../ops/dtype.ts';
import type { Trace } from '../ops/trace.ts';
import type { Session } from '../runtime/session.ts';
import type { ModelConfig } from './config.ts';
import { fillBase } from './frozen-weights.ts';
import { baseVariables } from './parameters.ts';

/**
 * A frozen model, with an adapter where there is one, as the variables of the groups `base` and `adapter`. Products with the
 * model's matrices are computed in `arithmetic`, those with the adapter's in float32.
 */
export function modelVariables(
  t: Trace,
  config: ModelConfig,
  adapter: Adapter | undefined,
  arithmetic: DType = 'float32',
): Parameters {
  const base = baseVariables(t, config, arithmetic);
  if (adapter === undefined) return { base };
  const pairs = [...adapter.modules].map(([module, weights]) => {
    const a = t.variable(`adapter/${module}.lora_A`, [weights.rank, weights.inputs]);
    const b = t.variable(`adapter/${module}.lora_B`, [weights.outputs, weights.rank]);
    return [module, { a, b, scale: scaleOf(weights, adapter.settings) }] as const;
  });
  return { base, lora: Object.fromEntries(pairs) };
}

/** Writes the weights of a checkpoint, rounded to `dtype`, and of an adapter into what `modelVariables` declares. */
export async function fillModel(
  session: Session,
  checkpoint: Checkpoint,
  adapter: Adapter | undefined,
  dtype: 'float32' | 'bfloat16' = 'float32',
): Promise<void> {
  await fillBase(session, checkpoint, dtype);
  if (adapter === undefined) return;
  await session.fill('adapter', (key) => {
    const weights = adapter.modules.get(key.replace(/\.lora_[AB]$/, ''));
    if (weights === undefined) throw new TypeError(`${adapter.path} has no module for "${key}"`);
    return key.endsWith('A') ? weights.a : weights.b;
  });
}
