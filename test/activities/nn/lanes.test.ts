import { describe, expect, it } from 'vitest';
import { laneSizes } from '../../../activities/nn/lanes.ts';
import { weightedCrossEntropy } from '../../../activities/nn/losses.ts';
import { parseModelConfig } from '../../../activities/nn/models/config.ts';
import type { ModelConfig } from '../../../activities/nn/models/config.ts';
import { baseVariables, modelParameters } from '../../../activities/nn/models/parameters.ts';
import { logits } from '../../../activities/nn/models/text.ts';
import { forwardVision } from '../../../activities/nn/models/vision.ts';
import { gradient } from '../../../activities/nn/ops/gradient.ts';
import type { HostArray } from '../../../activities/nn/ops/dtype.ts';
import { sizeOf } from '../../../activities/nn/ops/shape.ts';
import { normal, randomKey } from '../../../activities/nn/random.ts';
import { Program } from '../../../activities/nn/runtime/program.ts';
import type { Entry } from '../../../activities/nn/runtime/program.ts';
import type { Session } from '../../../activities/nn/runtime/session.ts';
import type { Trace } from '../../../activities/nn/ops/trace.ts';
import { adaptedModel } from '../../../activities/nn/training/adapted-model.ts';
import { trainingParameters } from '../../../activities/nn/training/entries.ts';
import { declareBatch, labelHidden } from '../../../activities/nn/training/label-logits.ts';
import { packRows } from '../../../activities/nn/training/rows.ts';
import { trainedTensors } from '../../../activities/nn/training/trainer.ts';
import { expectAllClose } from '../../_allclose.ts';
import { tinyConfig } from './checkpoint/_tiny-model.ts';
import { tinyTowers } from './models/_tiny-towers.ts';

describe('the sizes of lanes', () => {
  it('are as equal as may be, add up, and are never zero', () => {
    expect(laneSizes(8, 2)).toEqual([4, 4]);
    expect(laneSizes(7, 2)).toEqual([4, 3]);
    expect(laneSizes(8, 3)).toEqual([3, 3, 2]);
    expect(laneSizes(1, 2)).toEqual([1]);
    expect(laneSizes(5, 1)).toEqual([5]);
  });
});

const fillRandomly = (session: Session, config: ModelConfig): Promise<void> => {
  const shapes = new Map(modelParameters(config).map(({ name, shape }) => [name, shape]));
  return session.fill('base', (name) =>
    normal(randomKey(1, name), sizeOf(shapes.get(name)!)).map((x) =>
      name.includes('norm') ? 1 + x / 9 : x / 3,
    ),
  );
};

/** What an entry point gives in a program of so many lanes, random weights in `config`'s variables. */
async function outputsIn(
  lanes: number,
  config: ModelConfig,
  build: (t: Trace) => Entry,
  feeds: Record<string, HostArray>,
): Promise<Record<string, HostArray>> {
  const program = new Program(lanes);
  program.entry('entry', build);
  const session = await program.load();
  await fillRandomly(session, config);
  const outputs = session.run('entry', feeds);
  session.dispose();
  return outputs;
}

describe('a pass in several lanes', () => {
  const config = parseModelConfig({ ...tinyConfig(true), num_hidden_layers: 2 });

  it.each([
    ['one row, whose queries are handled in blocks', [301]],
    ['rows of different lengths', [5, 9, 3]],
  ])('has the loss and the gradient of a pass in one, for %s', async (_, lengths) => {
    const rows = lengths.map((length, i) => ({
      id: `${i}`,
      ids: Int32Array.from({ length }, (_token, at) => (3 * at + i) % 7),
      positions: Int32Array.from({ length: 3 * length }, (_place, at) => at % length),
      targets: Int32Array.from({ length: 2 }, (_label, at) => at),
      imageTokens: 0,
    }));
    const total = (of: (row: (typeof rows)[number]) => number): number =>
      rows.reduce((sum, row) => sum + of(row), 0);
    const shape = {
      rows: rows.length,
      length: Math.max(...lengths),
      tokens: total(({ ids }) => ids.length),
      labels: total(({ targets }) => targets.length),
      images: 0,
    };
    const build = (t: Trace): Entry => {
      const params = { base: baseVariables(t, config) };
      const batch = declareBatch(t, shape);
      const found = logits(t, params, config, labelHidden(t, params, config, batch));
      const loss = weightedCrossEntropy(t, found, batch.labels, t.full([shape.labels], 1));
      const names = ['self_attn.k_proj.weight', 'mlp.down_proj.weight', 'input_layernorm.weight'];
      const by = names.map((name) => params.base[`model.layers.0.${name}`]!);
      const gradients = gradient(t, loss, by);
      return { outputs: { loss, ...Object.fromEntries(gradients.map((g, i) => [names[i]!, g])) } };
    };
    const feeds = { ...packRows(rows, shape) };
    const one = await outputsIn(1, config, build, feeds);
    expect(one['loss']![0]).toBeGreaterThan(1);
    for (const lanes of [2, 3])
      for (const [name, found] of Object.entries(await outputsIn(lanes, config, build, feeds)))
        expectAllClose(found, one[name]!, { rtol: 1e-4, atol: 1e-5 }, `${name} in ${lanes} lanes`);
  });

  it.each(Object.keys(tinyTowers))(
    'has the embeddings of a pass in one, by the tower of %s',
    async (family) => {
      const tower = tinyTowers[family]!;
      const grids = [
        { t: 1, h: 6, w: 10 },
        { t: 2, h: 4, w: 12 },
      ];
      const patches = grids.reduce((sum, { t, h, w }) => sum + t * h * w, 0);
      const size = patches * tower.vision.patchNumbers;
      const build = (t: Trace): Entry => {
        const pixels = t.input('pixels', [patches, tower.vision.patchNumbers]);
        return {
          outputs: { embeds: forwardVision(t, { base: baseVariables(t, tower) }, tower, { pixels, grids }) },
        };
      };
      const feeds = { pixels: normal(randomKey(2), size) };
      const { embeds: one } = await outputsIn(1, tower, build, feeds);
      for (const lanes of [2, 3]) {
        const { embeds } = await outputsIn(lanes, tower, build, feeds);
        expectAllClose(embeds!, one!, { rtol: 1e-4, atol: 1e-5 }, `${lanes} lanes`);
      }
    },
  );

  it('drops out other numbers in each, so that two equal rows come out different', async () => {
    const settings = { rank: 4, alpha: 8, targets: ['language'] as const, dropout: 0.5, recompute: false };
    const model = adaptedModel(config, settings, 'float32');
    const [B, T, D] = [2, 6, config.text.hiddenSize];
    const N = B * T;
    const ids = Int32Array.from({ length: N }, (_, i) => (i % T) + 1);
    const places = Int32Array.from({ length: N }, (_, i) => i);
    const positions = Int32Array.from({ length: 3 * N }, (_, i) => i % T);
    const hiddenAt = async (rate: number): Promise<[number[], number[]]> => {
      const program = new Program(2);
      program.entry('entry', (t) => {
        const params = trainingParameters(t, { ...model, dropout: rate }, trainedTensors(t, model.layout));
        const batch = declareBatch(t, { rows: B, length: T, tokens: N, labels: N, images: 0 });
        return { outputs: { hidden: labelHidden(t, params, config, batch) } };
      });
      const session = await program.load();
      await fillRandomly(session, config);
      await session.fill('trained', () => normal(randomKey(3), model.layout.size));
      const key = rate === 0 ? {} : { dropout: Int32Array.of(1, 2) };
      const batch = { ids, positions, places, tokens: places, targets: places };
      const hidden = Array.from(session.run('entry', { ...batch, labels: ids, ...key })['hidden']!);
      session.dispose();
      return [hidden.slice(0, T * D), hidden.slice(T * D)];
    };
    const [first, second] = await hiddenAt(0);
    expectAllClose(second, first, { rtol: 1e-5, atol: 1e-5 }, 'without dropout');
    const [dropped, other] = await hiddenAt(0.5);
    const apart = dropped.filter((x, i) => Math.abs(x - other[i]!) > 1e-3);
    expect(apart.length).toBeGreaterThan((T * D) / 2);
  });
});
