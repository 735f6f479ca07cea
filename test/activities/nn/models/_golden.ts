import { readFileSync } from 'node:fs';
import { openSafetensors } from '../../../../activities/nn/checkpoint/safetensors-file.ts';
import { parseModelConfig } from '../../../../activities/nn/models/config.ts';
import type { ModelConfig } from '../../../../activities/nn/models/config.ts';
import type { Grid } from '../../../../activities/nn/models/position-ids.ts';
import { nodeFolder } from '../../../../activities/nn/runtime/files.ts';
import { shared } from '../../../_shared.ts';

export type Family = 'qwen2_vl' | 'qwen2_5_vl';

export interface GoldenCase {
  readonly name: string;
  readonly images: readonly number[];
  readonly prompt_ids: readonly number[];
  readonly greedy_ids: readonly number[];
  readonly answer_ids: readonly number[];
  readonly sft_loss: number;
  readonly rope_delta: number;
}

export interface Golden {
  readonly config: ModelConfig;
  readonly cases: readonly GoldenCase[];
  readonly endToken: number;
  /** A tensor of the checkpoint, by its name on disk. */
  readonly weight: (name: string) => Promise<Float32Array>;
  /** A tensor of the adapter, by module and side. */
  readonly adapter: (module: string, side: 'A' | 'B') => Promise<Float32Array>;
  /** A tensor the reference computed. */
  readonly expected: (name: string) => Promise<Float32Array>;
  readonly positions: (name: string) => Promise<Int32Array>;
  readonly grid: (image: number) => Promise<Grid>;
}

export async function readGolden(family: Family): Promise<Golden> {
  const folder = nodeFolder(shared(`golden/${family}`));
  const adapterFolder = nodeFolder(shared(`golden/${family}/adapter`));
  const json = (name: string): unknown =>
    JSON.parse(readFileSync(shared(`golden/${family}/${name}`), 'utf8'));
  const expected = json('expected.json') as { cases: GoldenCase[]; special_ids: Record<string, number> };
  const [model, tensors, adapter] = await Promise.all([
    openSafetensors(folder, 'model.safetensors'),
    openSafetensors(folder, 'expected.safetensors'),
    openSafetensors(adapterFolder, 'adapter_model.safetensors'),
  ]);
  const integers = async (name: string): Promise<number[]> => {
    const data = await tensors.readData(name);
    return Array.from(data as BigInt64Array, Number);
  };
  return {
    config: parseModelConfig(json('config.json')),
    cases: expected.cases,
    endToken: expected.special_ids['<|im_end|>'] ?? -1,
    weight: (name) => model.read(name),
    adapter: (module, side) =>
      adapter.read(
        `base_model.model.${module.replace(/^model\./, 'model.language_model.')}.lora_${side}.weight`,
      ),
    expected: (name) => tensors.read(name),
    positions: async (name) => Int32Array.from(await integers(name)),
    grid: async (image) => {
      const [t = 0, h = 0, w = 0] = await integers(`image${image}.grid_thw`);
      return { t, h, w };
    },
  };
}
