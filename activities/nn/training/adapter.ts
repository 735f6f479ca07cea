/** A trainable LoRA adapter on linear layers of the parts of a model that are chosen, as one flat vector. */
import type { LoraTarget } from '../../../schemas/lora-settings.ts';
import type { SftParams } from '../../../schemas/sft-params.ts';
import { scaleOf } from '../checkpoint/adapter.ts';
import type { Adapter, LoraWeights } from '../checkpoint/adapter.ts';
import type { Parameters } from '../linear.ts';
import type { LoraPair } from '../lora.ts';
import type { ModelConfig } from '../models/config.ts';
import { mergerLinears, textLinears, visionLinears } from '../models/parameters.ts';
import type { LinearShape } from '../models/parameters.ts';
import type { Value } from '../ops/node.ts';
import type { Trace } from '../ops/trace.ts';
import { flatLayout, flatten, unflatten } from './flat-layout.ts';
import type { FlatLayout } from './flat-layout.ts';

const nameOf = (module: string, part: 'A' | 'B'): string => `${module}.lora_${part}.weight`;

const linearsOf: Readonly<Record<LoraTarget, (config: ModelConfig) => LinearShape[]>> = {
  language: ({ text }) => textLinears(text),
  vision: ({ vision }) => visionLinears(vision),
  merger: ({ vision }) => mergerLinears(vision),
};

const language: readonly LoraTarget[] = ['language'];

/** The layers that an adapter of these parts updates, in the model's order. */
const adaptedLinears = (config: ModelConfig, targets: readonly LoraTarget[]): LinearShape[] =>
  targets.flatMap((target) => linearsOf[target](config));

/** Whether what an image is embedded as changes as the adapter is trained. */
export const trainsTower = (targets: readonly LoraTarget[]): boolean =>
  targets.some((target) => target !== 'language');

/** A [r, K] and B [N, r] of every adapted layer. */
export const adapterLayout = (config: ModelConfig, rank: number, targets = language): FlatLayout =>
  flatLayout(
    adaptedLinears(config, targets).flatMap(({ module, inputs, outputs }) => [
      { name: nameOf(module, 'A'), shape: [rank, inputs] },
      { name: nameOf(module, 'B'), shape: [outputs, rank] },
    ]),
  );

/** The pairs by module, from tensors named as the layout names them; `scale` is alpha / rank. */
export const adapterPairs = (
  config: ModelConfig,
  tensors: Readonly<Record<string, Value>>,
  scale: number,
  targets = language,
): Record<string, LoraPair> =>
  Object.fromEntries(
    adaptedLinears(config, targets).map(({ module }) => [
      module,
      { a: tensors[nameOf(module, 'A')] as Value, b: tensors[nameOf(module, 'B')] as Value, scale },
    ]),
  );

/**
 * The same parameters with dropout before each adapted layer, keyed by the input `dropout` [2] int32; each layer draws from
 * a stream of its own. At rate 0 nothing is declared.
 */
export const withDropout = (t: Trace, params: Parameters, rate: number): Parameters => {
  if (rate === 0 || params.lora === undefined) return params;
  const key = t.input('dropout', [2], 'int32');
  const pairs = Object.entries(params.lora).map(
    ([module, pair], stream) => [module, { ...pair, dropout: { rate, key, stream } }] as const,
  );
  return { ...params, lora: Object.fromEntries(pairs) };
};

/** An adapter to start from is of another rank or scale than the training asks for. */
export class StartMismatch extends Error {
  override readonly name = 'StartMismatch';
}

/** The values of an adapter in the layout; it must have every layer, the rank of the layout and the scale of the training. */
export const startingValues = (adapter: Adapter, layout: FlatLayout, scale: number): Float32Array => {
  const tensors = new Map<string, { shape: readonly number[]; data: Float32Array }>();
  for (const [module, weights] of adapter.modules) {
    if (scaleOf(weights, adapter.settings) !== scale)
      throw new StartMismatch(
        `${adapter.path}: scale of ${module} is ${scaleOf(weights, adapter.settings)}, this training has ${scale}: give its rank and alpha`,
      );
    tensors.set(nameOf(module, 'A'), { shape: [weights.rank, weights.inputs], data: weights.a });
    tensors.set(nameOf(module, 'B'), { shape: [weights.outputs, weights.rank], data: weights.b });
  }
  return flatten(layout, tensors);
};

/** A trained adapter in the form it is written in, layers in the model's order. */
export const trainedAdapter = (
  config: ModelConfig,
  layout: FlatLayout,
  values: Float32Array,
  settings: Pick<SftParams, 'rank' | 'alpha' | 'targets' | 'dropout'> & { readonly trainedOn: string },
): Omit<Adapter, 'path'> => {
  const { rank, alpha, targets, dropout, trainedOn } = settings;
  const tensors = unflatten(layout, values);
  const modules = adaptedLinears(config, targets).map(
    ({ module, inputs, outputs }): [string, LoraWeights] => [
      module,
      {
        rank,
        alpha,
        inputs,
        outputs,
        a: tensors.get(nameOf(module, 'A'))?.data ?? new Float32Array(),
        b: tensors.get(nameOf(module, 'B'))?.data ?? new Float32Array(),
      },
    ],
  );
  return {
    settings: { rank, alpha, rankStabilised: false, dropout, baseModel: null },
    modules: new Map(modules),
    trainedOn,
  };
};
