import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { parseModelConfig } from '../../../../activities/nn/models/config.ts';
import type { ModelConfig } from '../../../../activities/nn/models/config.ts';
import { gradient } from '../../../../activities/nn/ops/gradient.ts';
import { liveNodes } from '../../../../activities/nn/ops/node.ts';
import type { Node, Value } from '../../../../activities/nn/ops/node.ts';
import { Trace } from '../../../../activities/nn/ops/trace.ts';
import { adaptedModel } from '../../../../activities/nn/training/adapted-model.ts';
import { trainingParameters } from '../../../../activities/nn/training/entries.ts';
import { declareBatch, labelHidden } from '../../../../activities/nn/training/label-logits.ts';
import { trainedTensors } from '../../../../activities/nn/training/trainer.ts';
import { hasShared, shared } from '../../../_shared.ts';

const shape = { rows: 1, length: 300, tokens: 300, labels: 7, images: 0 };

/** Whether a value is computed of constants alone. */
const isConstant = ({ node }: Value): boolean =>
  node.op === 'Const' || (node.inputs.length > 0 && node.inputs.every(isConstant));

/** Values of a block's inside that the backward pass reads although it could compute them again, by operation. */
const keptInside = (config: ModelConfig, recompute: boolean): string[] => {
  const params = { rank: 4, alpha: 8, targets: ['language'] as const, dropout: 0.1, recompute };
  const model = adaptedModel(config, params, 'float32');
  const t = new Trace();
  const trained = trainedTensors(t, model.layout);
  const hidden = labelHidden(t, trainingParameters(t, model, trained), config, declareBatch(t, shape));
  const y = t.sum(t.square(hidden), [0, 1]);
  const xs = Object.values(trained);
  const live = liveNodes(t.nodes, gradient(t, y, xs, { recompute }));
  // A block's output is what the next one starts from, and read by nodes outside of the block.
  const outputs = new Set<Value>(
    live
      .filter(({ id }) => id < y.node.id)
      .flatMap((node) => node.inputs.filter((value) => value.node.segment !== node.segment)),
  );
  const backward = live.filter(({ id }: Node) => id > y.node.id);
  return backward
    .flatMap(({ inputs }) => inputs)
    .filter((value) => value.node.segment !== undefined && !outputs.has(value) && !isConstant(value))
    .map(({ node }) => node.op);
};

describe.skipIf(!hasShared).each(['qwen2_vl', 'qwen2_5_vl'])('recomputing the layers of %s', (family) => {
  let config: ModelConfig;
  beforeAll(async () => {
    const text = await readFile(join(shared(`golden/${family}`), 'config.json'), 'utf8');
    config = parseModelConfig(JSON.parse(text));
  });

  it('keeps nothing of a layer’s inside, which is kept otherwise', () => {
    expect(keptInside(config, false).length).toBeGreaterThan(20);
    expect(keptInside(config, true)).toEqual([]);
  });
});
