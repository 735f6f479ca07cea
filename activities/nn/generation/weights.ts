import { fusedName, tilesName, weight } from '../linear.ts';
import type { Parameters } from '../linear.ts';
import { lowRankMatrix } from '../lora.ts';
import type { ModelConfig } from '../models/config.ts';
import { headModule } from '../models/text.ts';
import type { Value } from '../ops/node.ts';
import type { Shape } from '../ops/shape.ts';
import { Trace } from '../ops/trace.ts';
import type { Program } from '../runtime/program.ts';
import { hasTiles, tiled } from '../tiles.ts';
import { asTraced } from './entries.ts';

/**
 * Weights as new tokens are decoded with. In float32 an adapter is merged into a copy, modules with one input lie in one matrix, and
 * matrices in tiles: a step of a few rows is bound by the reading of weights and by the number of operations, so all of it pays.
 * Weights in bfloat16 are read as they are, with the adapter beside them: merged, an update smaller than their last place would
 * be lost.
 */
export interface DecodingWeights {
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
export function addDecodingWeights(
  program: Program,
  name: string,
  config: ModelConfig,
  source: (t: Trace) => Parameters,
): DecodingWeights {
  const head = headModule(config);
  if (weight(source(new Trace()), `${head}.weight`).dtype === 'bfloat16')
    return { prepareEntry: undefined, read: source };
  const layers = Array.from({ length: config.text.layers }, (_, layer) => `model.layers.${layer}.`);
  const groups = layers.flatMap((layer) =>
    fusions.map((modules) => modules.map((module) => `${layer}${module}`)),
  );
  const copies: { readonly key: string; readonly shape: Shape }[] = [];
  const prepareEntry = `${name}/prepare`;
  program.entry(
    prepareEntry,
    (t) => {
      const params = source(t);
      const writes = [...groups, [head]].flatMap((modules) =>
        Object.entries(joined(t, params, modules)).map(([key, value]) => {
          copies.push({ key, shape: value.shape });
          return t.overwrite(t.scratch(`${name}/${key}`, value.shape), value);
        }),
      );
      return { outputs: { done: t.after(writes, t.scalar(1, 'int32')) } };
    },
    asTraced,
  );
  return {
    prepareEntry,
    read: (t) => ({
      base: {
        ...source(t).base,
        ...Object.fromEntries(
          copies.map(({ key, shape }) => [key, t.scratch(`${name}/${key}`, shape)] as const),
        ),
      },
    }),
  };
}

/** The weights of modules with one input as one matrix, its adapter merged, in tiles if it has a whole number of them; and their biases. */
function joined(t: Trace, params: Parameters, modules: readonly string[]): Record<string, Value> {
  const W = t.concat(
    modules.map((module) => {
      const pair = params.lora?.[module];
      const frozen = weight(params, `${module}.weight`);
      return pair === undefined ? frozen : t.add(frozen, lowRankMatrix(t, pair));
    }),
    0,
  );
  const name = fusedName(modules);
  const matrix = hasTiles(W.shape) ? { [tilesName(name)]: tiled(t, W) } : { [`${name}.weight`]: W };
  const biases = modules.flatMap((module) => params.base[`${module}.bias`] ?? []);
  return biases.length === 0 ? matrix : { ...matrix, [`${name}.bias`]: t.concat(biases, 0) };
}
