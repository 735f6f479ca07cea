import { fusedName, weight } from '../linear.ts';
import type { Parameters } from '../linear.ts';
import { lowRankMatrix } from '../lora.ts';
import type { ModelConfig } from '../models/config.ts';
import { modelParameters, textLinears } from '../models/parameters.ts';
import type { Value } from '../ops/node.ts';
import { Trace } from '../ops/trace.ts';
import type { Program } from '../runtime/program.ts';
import { asTraced } from './entries.ts';

/**
 * Weights as generation reads them. In float32 an adapter is merged into a copy, and modules with one input lie in one matrix: a
 * step of a few rows is bound by the reading of weights and by the number of operations, so both pay. Weights in bfloat16 are read
 * as they are, with the adapter beside them: merged, an update smaller than their last place would be lost.
 */
export interface GenerationWeights {
  /** Run after the weights or the adapter have changed; undefined where nothing is copied. */
  readonly prepareEntry: string | undefined;
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
  if (weight(source(new Trace()), `${groups[0]?.[0]}.weight`).dtype === 'bfloat16')
    return { prepareEntry: undefined, read: source };
  const variables: { key: string; shape: readonly number[] }[] = [];
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
          variables.push({ key, shape: value.shape });
          return [t.overwrite(t.scratch(`${name}/${key}`, value.shape), value)];
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
          ...variables.map(({ key, shape }) => [key, t.scratch(`${name}/${key}`, shape)] as const),
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
  return [pair === undefined ? W : t.add(W, lowRankMatrix(t, pair))];
}
