import { readFile } from 'node:fs/promises';
import { openSafetensors } from '../../../../activities/nn/checkpoint/safetensors-file.ts';
import { parseModelConfig } from '../../../../activities/nn/models/config.ts';
import type { ModelConfig } from '../../../../activities/nn/models/config.ts';
import { positionIds } from '../../../../activities/nn/models/position-ids.ts';
import type { Grid } from '../../../../activities/nn/models/position-ids.ts';
import { nodeFolder } from '../../../../activities/nn/runtime/files.ts';
import { adapterLayout } from '../../../../activities/nn/training/adapter.ts';
import { flatten } from '../../../../activities/nn/training/flat-layout.ts';
import type { FlatLayout } from '../../../../activities/nn/training/flat-layout.ts';
import type { TrainingRow } from '../../../../activities/nn/training/rows.ts';
import { shared } from '../../../_shared.ts';

interface ExpectedCase {
  readonly name: string;
  readonly images: number[];
  readonly prompt_ids: number[];
  readonly answer_ids: number[];
  readonly sft_loss: number;
}

interface Expected {
  readonly cases: ExpectedCase[];
  readonly adamw: { lr: number; steps: number; losses: number[] };
  readonly gba: {
    case: string;
    completion_ids: number[][];
    advantages: number[];
    beta: number;
    clip: number;
    loss: number;
    mean_kl: number;
  };
}

export interface Golden {
  readonly config: ModelConfig;
  readonly expected: Expected;
  readonly base: Map<string, Float32Array>;
  readonly layout: FlatLayout;
  readonly adapter: Float32Array;
  readonly adapterAfter: Float32Array;
  close(): Promise<void>;
  /** A tensor of expected.safetensors. */
  read(name: string): Promise<Float32Array>;
  /** A prompt of a case with what follows it, all of which is trained on. */
  row(name: string, completion: readonly number[]): TrainingRow;
  pixels(name: string): Promise<{ pixels: Float32Array; grids: Grid[] }>;
  /** Flat vector of the tensors `prefix` + PEFT's names. */
  flat(prefix: string): Promise<Float32Array>;
}

const ours = (name: string): string => name.replace('model.language_model.layers', 'model.layers');

/** The golden checkpoint of a family with its adapter and what the reference computes for it. */
export const openGolden = async (family: 'qwen2_vl' | 'qwen2_5_vl'): Promise<Golden> => {
  const folder = nodeFolder(shared(`golden/${family}`));
  const config = parseModelConfig(JSON.parse(await folder.readText('config.json')));
  const expected = JSON.parse(await readFile(shared(`golden/${family}/expected.json`), 'utf8')) as Expected;
  const tensors = await openSafetensors(folder, 'expected.safetensors');
  const model = await openSafetensors(folder, 'model.safetensors');
  const base = new Map<string, Float32Array>();
  for (const name of model.tensors.keys()) base.set(name, await model.read(name));
  await model.close();
  const layout = adapterLayout(config, 4);
  const peft = async (name: string): Promise<Float32Array> => {
    const file = await openSafetensors(
      nodeFolder(shared(`golden/${family}/${name}`)),
      'adapter_model.safetensors',
    );
    const found = new Map<string, { shape: readonly number[]; data: Float32Array }>();
    for (const [key, { shape }] of file.tensors)
      found.set(ours(key.replace('base_model.model.', '')), { shape, data: await file.read(key) });
    await file.close();
    return flatten(layout, found);
  };
  const caseOf = (name: string): ExpectedCase => expected.cases.find((c) => c.name === name)!;
  const grids = new Map<number, Grid>();
  for (const i of new Set(expected.cases.flatMap((c) => c.images))) {
    const values = (await tensors.readData(`image${i}.grid_thw`)) as BigInt64Array;
    const [t, h, w] = Array.from(values, (n) => Number(n));
    grids.set(i, { t: t!, h: h!, w: w! });
  }
  return {
    config,
    expected,
    base,
    layout,
    adapter: await peft('adapter'),
    adapterAfter: await peft('adapter-after-adamw'),
    read: (name) => tensors.read(name),
    close: () => tensors.close(),
    row(name, completion) {
      const { prompt_ids: prompt, images } = caseOf(name);
      const ids = Int32Array.from([...prompt, ...completion]);
      const { ids: positions } = positionIds(
        ids,
        images.map((i) => grids.get(i)!),
        config,
      );
      const targets = Int32Array.from(completion, (_, i) => prompt.length + i - 1);
      const imageTokens = prompt.filter((id) => id === config.imageTokenId).length;
      return { id: name, ids, positions, targets, imageTokens };
    },
    async pixels(name) {
      const { images } = caseOf(name);
      const parts = await Promise.all(images.map((i) => tensors.read(`image${i}.pixel_values`)));
      return {
        pixels: Float32Array.from(parts.flatMap((p) => Array.from(p))),
        grids: images.map((i) => grids.get(i)!),
      };
    },
    async flat(prefix) {
      const found = new Map<string, { shape: readonly number[]; data: Float32Array }>();
      for (const [key, { shape }] of tensors.tensors)
        if (key.startsWith(prefix))
          found.set(ours(key.slice(prefix.length)), { shape, data: await tensors.read(key) });
      return flatten(layout, found);
    },
  };
};
