import { fusedName, weight } from '../linear.ts';
import type { Parameters } from '../linear.ts';
import { lowRankMatrix } from '../lora.ts';
import type { ModelConfig } from '../models/config.ts';
import { modelParameters, textLinears } from '../models/parameters.ts';
import type { Value } from '../ops/node.ts';
import type { Trace } from '../ops/trace.ts';
import type { Program } from '../runtime/program.ts';
import { asTraced } from './entries.ts';

/**
 * Weights as generation reads them: an adapter is merged into a copy, and modules with one input lie in one matrix. A step of a few
 * rows is bound by the reading of weights and by the number of operations, so both pay.
 */
export interface GenerationWeights {
  /** Run after the weights or the adapter have changed. */
  readonly prepareEntry: string;
  readonly read: (t: Trace) => Parameters;
}

/** The modules of one block that read the same input. */
const fusions = [
  ['self_attn.q_proj', 'self_attn.k_proj', 'self_attn.v_proj'],
  ['self_attn.o_proj'],
  ['mlp.gate_proj', 'mlp.up_proj'],
  ['mlp.down_proj'],
];

/** Adds the entry point that merges and copies. `source` gives the weights and, where there is one, the adapter. */
export function addGenerationWeights(
  program: Program,
  name: string,
  config: ModelConfig,
  source: (t: Trace) => Parameters,
): GenerationWeights {
  const groups = Array.from({ length: config.text.layers }, (_, layer) =>
    fusions.map((modules) => modules.map((module) => `model.layers.${layer}.${module}`)),
  ).flat();
  const variables: { key: string; shape: readonly number[]; dtype: Value['dtype'] }[] = [];
  const prepareEntry = `${name}/prepare`;
  program.entry(
    prepareEntry,
    (t) => {
      const params = source(t);
      const writes = groups.flatMap((modules) =>
        ['weight', 'bias'].flatMap((kind) => {
          const parts = modules.flatMap((module) => part(t, params, module, kind));
          if (parts.length === 0) return [];
          const value = t.concat(parts, 0);
          const key = `${fusedName(modules)}.${kind}`;
          variables.push({ key, shape: value.shape, dtype: value.dtype });
          return [t.overwrite(t.scratch(`${name}/${key}`, value.shape, value.dtype), value)];
        }),
      );
      return { outputs: { done: t.after(writes, t.scalar(1, 'int32')) } };
    },
    asTraced,
  );
  const linearNames = new Set(
    textLinears(config.text).flatMap(({ module }) => [`${module}.weight`, `${module}.bias`]),
  );
  const others = modelParameters(config).filter(
    (p) => p.name.startsWith('model.') || p.name === 'lm_head.weight',
  );
  const shared = others.filter((p) => !linearNames.has(p.name)).map((p) => p.name);
  return {
    prepareEntry,
    read: (t) => {
      const params = source(t);
      return {
        base: Object.fromEntries([
          ...shared.map((key) => [key, weight(params, key)] as const),
          ...variables.map(
            ({ key, shape, dtype }) => [key, t.scratch(`${name}/${key}`, shape, dtype)] as const,
          ),
        ]),
      };
    },
  };
}

function part(t: Trace, params: Parameters, module: string, kind: string): Value[] {
  if (kind === 'bias')
    return Object.values({ bias: params.base[`${module}.bias`] }).filter((b) => b !== undefined);
  const W = weight(params, `${module}.weight`);
  const pair = params.lora?.[module];
  return [pair === undefined ? W : t.cast(t.add(t.cast(W, 'float32'), lowRankMatrix(t, pair)), W.dtype)];
}
