/** A trainable LoRA adapter on the language model's linear layers, as one flat vector. */
import type { LoraPair } from '../lora.ts';
import type { ModelConfig } from '../models/config.ts';
import { textLinears } from '../models/parameters.ts';
import type { Value } from '../ops/node.ts';
import { flatLayout } from './flat-layout.ts';
import type { FlatLayout } from './flat-layout.ts';

const nameOf = (module: string, part: 'A' | 'B'): string => `${module}.lora_${part}.weight`;

/** A [r, K] and B [N, r] of every linear layer of the language model's blocks. */
export const adapterLayout = (config: ModelConfig, rank: number): FlatLayout =>
  flatLayout(
    textLinears(config.text).flatMap(({ module, inputs, outputs }) => [
      { name: nameOf(module, 'A'), shape: [rank, inputs] },
      { name: nameOf(module, 'B'), shape: [outputs, rank] },
    ]),
  );

/** The pairs by module, from tensors named as the layout names them; `scale` is alpha / rank. */
export const adapterPairs = (
  config: ModelConfig,
  tensors: Readonly<Record<string, Value>>,
  scale: number,
): Record<string, LoraPair> =>
  Object.fromEntries(
    textLinears(config.text).map(({ module }) => [
      module,
      { a: tensors[nameOf(module, 'A')] as Value, b: tensors[nameOf(module, 'B')] as Value, scale },
    ]),
  );
