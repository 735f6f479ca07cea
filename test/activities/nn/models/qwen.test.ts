import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { LoraPair } from '../../../../activities/nn/lora.ts';
import { baseVariables, textLinears } from '../../../../activities/nn/models/parameters.ts';
import { positionIds } from '../../../../activities/nn/models/position-ids.ts';
import { embedTokens, forwardText, logits } from '../../../../activities/nn/models/text.ts';
import { forwardVision } from '../../../../activities/nn/models/vision.ts';
import { gradient } from '../../../../activities/nn/ops/gradient.ts';
import type { Value } from '../../../../activities/nn/ops/node.ts';
import type { Trace } from '../../../../activities/nn/ops/trace.ts';
import { Program } from '../../../../activities/nn/runtime/program.ts';
import type { Session } from '../../../../activities/nn/runtime/session.ts';
import { expectAllClose } from '../../../_allclose.ts';
import { hasShared } from '../../../_shared.ts';
import float64 from '../../../golden/forward-float64.json' with { type: 'json' };
import { readGolden } from './_golden.ts';
import type { Golden, GoldenCase } from './_golden.ts';

const scale = 8 / 4;

/**
 * What rounding alone makes of logits of size 20 to 27. Rows of the embedding table are exact, image embeddings are not: the text
 * model's first norm makes their error five times as large, its layers twenty to thirty times more. So the reference itself is 1.5e-4
 * from float64 behind an image, which a bound must leave room for, and 4e-5 without one; the bound beside float64 is sharper.
 */
const tolerance = (name: string): { rtol: number; atol: number } => ({
  rtol: 0,
  atol: name === 'text' ? 1e-4 : 3e-4,
});

/** Root mean square of the distance of every n-th number from what float64 gives. */
const distance = (found: ArrayLike<number>, exact: readonly number[], n: number): number =>
  Math.sqrt(exact.reduce((sum, x, i) => sum + (x - found[i * n]!) ** 2, 0) / exact.length);

/** LoRA pairs of every linear layer, and the variables they are made of by name. */
function adapterVariables(
  t: Trace,
  golden: Golden,
): { lora: Record<string, LoraPair>; values: [string, Value][] } {
  const lora: Record<string, LoraPair> = {};
  const values: [string, Value][] = [];
  for (const { module, inputs, outputs } of textLinears(golden.config.text)) {
    const a = t.variable(`adapter/${module}:A`, [4, inputs]);
    const b = t.variable(`adapter/${module}:B`, [outputs, 4]);
    lora[module] = { a, b, scale };
    values.push([`${module}.lora_A`, a], [`${module}.lora_B`, b]);
  }
  return { lora, values };
}

describe.skipIf(!hasShared).each(['qwen2_vl', 'qwen2_5_vl'] as const)('%s against transformers', (family) => {
  let golden: Golden;
  let session: Session;
  const names = ['text', 'image', 'two-images'] as const;

  beforeAll(async () => {
    golden = await readGolden(family);
    const { config, cases } = golden;
    const program = new Program();
    for (const { name, images, prompt_ids } of cases) {
      const T = prompt_ids.length;
      const grids = await Promise.all(images.map(golden.grid));
      const P = grids.reduce((sum, { t, h, w }) => sum + t * h * w, 0);
      const embeds = (t: Trace, base: Record<string, Value>): Value =>
        forwardVision(t, { base }, config, {
          pixels: t.input('pixels', [P, config.vision.patchNumbers]),
          grids,
        });
      const sequence = (t: Trace, base: Record<string, Value>, length: number): Value => {
        const ids = t.input('ids', [1, length], 'int32');
        if (images.length === 0) return embedTokens(t, { base }, ids);
        return embedTokens(t, { base }, ids, {
          embeds: embeds(t, base),
          index: t.input('index', [1, length], 'int32'),
        });
      };
      if (images.length > 0)
        program.entry(`vision/${name}`, (t) => ({
          outputs: { embeds: embeds(t, baseVariables(t, config)) },
        }));
      program.entry(`forward/${name}`, (t) => {
        const params = { base: baseVariables(t, config) };
        const x = sequence(t, params.base, T);
        const hidden = forwardText(t, params, config, {
          embeds: x,
          positions: t.input('positions', [3, 1, T], 'int32'),
        });
        return { outputs: { logits: logits(t, params, config, t.reshape(hidden, [T, -1])) } };
      });
      program.entry(`answer/${name}`, (t) => {
        const { lora, values } = adapterVariables(t, golden);
        const params = { base: baseVariables(t, config), lora };
        const L = T + 16;
        const x = sequence(t, params.base, L);
        const hidden = forwardText(t, params, config, {
          embeds: x,
          positions: t.input('positions', [3, 1, L], 'int32'),
        });
        const rows = t.slice(t.reshape(hidden, [L, -1]), [T - 1, 0], [16, config.text.hiddenSize]);
        const losses = t.crossEntropy(logits(t, params, config, rows), t.input('labels', [16], 'int32'));
        const loss = t.mean(losses, [0]);
        const gradients = gradient(
          t,
          loss,
          values.map(([, value]) => value),
        );
        const outputs = Object.fromEntries(values.map(([name], i) => [name, gradients[i] ?? loss]));
        return { outputs: { ...outputs, loss, logps: t.neg(losses) } };
      });
    }
    program.entry('half', (t) => {
      const T = cases[0]?.prompt_ids.length ?? 0;
      const weights = Object.entries(baseVariables(t, config));
      // What a bfloat16 checkpoint holds, rounded here from float32.
      const base = Object.fromEntries(
        weights.map(([name, w]) => [name, w.shape.length === 1 ? w : t.cast(w, 'bfloat16')]),
      );
      const embeds = embedTokens(t, { base }, t.input('ids', [1, T], 'int32'));
      const hidden = forwardText(t, { base }, config, {
        embeds,
        positions: t.input('positions', [3, 1, T], 'int32'),
      });
      return { outputs: { logits: logits(t, { base }, config, t.reshape(hidden, [T, -1])) } };
    });
    const longest = Math.max(...cases.map(({ prompt_ids }) => prompt_ids.length));
    program.entry('batch', (t) => {
      const params = { base: baseVariables(t, config) };
      const shape = [cases.length, longest];
      const images = {
        embeds: t.input('embeds', [29, config.text.hiddenSize]),
        index: t.input('index', shape, 'int32'),
      };
      const embeds = embedTokens(t, params, t.input('ids', shape, 'int32'), images);
      const hidden = forwardText(t, params, config, {
        embeds,
        positions: t.input('positions', [3, ...shape], 'int32'),
      });
      return {
        outputs: { logits: logits(t, params, config, t.reshape(hidden, [-1, config.text.hiddenSize])) },
      };
    });
    session = await program.load();
    await session.fill('base', golden.weight);
    await session.fill('adapter', (key) => {
      const [module = '', side] = key.split(':');
      return golden.adapter(module, side as 'A' | 'B');
    });
  });
  afterAll(() => session?.dispose());

  const byName = (name: string): GoldenCase => {
    const found = golden.cases.find((c) => c.name === name);
    if (found === undefined) throw new Error(`no case ${name}`);
    return found;
  };

  /** What an entry point of one case is fed: tokens, and its images' pixels and places. */
  async function feeds(
    { images }: GoldenCase,
    tokens: readonly number[],
  ): Promise<Record<string, Float32Array | Int32Array>> {
    const grids = await Promise.all(images.map(golden.grid));
    const base = { ids: Int32Array.from(tokens), positions: positionIds(tokens, grids, golden.config).ids };
    if (images.length === 0) return base;
    const pixels = await Promise.all(images.map((i) => golden.expected(`image${i}.pixel_values`)));
    let image = tokens.length;
    const index = Int32Array.from(tokens, (token, i) => (token === golden.config.imageTokenId ? image++ : i));
    return { ...base, index, pixels: Float32Array.from(pixels.flatMap((part) => [...part])) };
  }

  it.each(names)('%s: positions are those of get_rope_index', async (name) => {
    const { prompt_ids, images, rope_delta } = byName(name);
    const grids = await Promise.all(images.map(golden.grid));
    const { ids, next } = positionIds(prompt_ids, grids, golden.config);
    expect(ids).toEqual(await golden.positions(`${name}.position_ids`));
    expect(next - prompt_ids.length).toBe(rope_delta);
  });

  it.each(['image', 'two-images'])('%s: image embeddings', async (name) => {
    const { pixels } = await feeds(byName(name), byName(name).prompt_ids);
    if (pixels === undefined) throw new Error('no pixels');
    const { embeds } = session.run(`vision/${name}`, { pixels });
    expectAllClose(
      embeds ?? [],
      await golden.expected(`${name}.image_embeds`),
      { rtol: 0, atol: 4e-6 },
      name,
    );
  });

  it.each(names)('%s: logits of every token', async (name) => {
    const found = session.run(`forward/${name}`, await feeds(byName(name), byName(name).prompt_ids));
    expectAllClose(found['logits'] ?? [], await golden.expected(`${name}.logits`), tolerance(name), name);
  });

  it.each(names)('%s: as near to float64 as the reference', async (name) => {
    const given = await feeds(byName(name), byName(name).prompt_ids);
    const exact = float64.families[family][name];
    const { logits: found } = session.run(`forward/${name}`, given);
    const { logits: n, image_embeds: m } = float64.every;
    const reference = distance(await golden.expected(`${name}.logits`), exact.logits, n);
    expect(distance(found!, exact.logits, n)).toBeLessThan(1.5 * reference);
    if (byName(name).images.length === 0) return;
    const { embeds } = session.run(`vision/${name}`, { pixels: given['pixels']! });
    const theirs = distance(await golden.expected(`${name}.image_embeds`), exact.image_embeds, m);
    expect(distance(embeds!, exact.image_embeds, m)).toBeLessThan(1.5 * theirs);
  });

  it.each(names)(
    '%s: log-probabilities, loss and gradients of the answer under the adapter',
    async (name) => {
      const { prompt_ids, answer_ids, sft_loss } = byName(name);
      const given = await feeds(byName(name), [...prompt_ids, ...answer_ids]);
      const found = session.run(`answer/${name}`, { ...given, labels: Int32Array.from(answer_ids) });
      expectAllClose(
        found['logps'] ?? [],
        await golden.expected(`${name}.sft.logps`),
        { rtol: 0, atol: 1e-4 },
        'logps',
      );
      expect(Math.abs((found['loss']?.[0] ?? 0) - sft_loss)).toBeLessThan(1e-5);
      for (const { module } of textLinears(golden.config.text))
        for (const side of ['lora_A', 'lora_B']) {
          const reference = await golden.expected(
            `${name}.sft.grad.${module.replace(/^model\./, 'model.language_model.')}.${side}.weight`,
          );
          const largest = reference.reduce((max, g) => Math.max(max, Math.abs(g)), 0);
          expectAllClose(
            found[`${module}.${side}`] ?? [],
            reference,
            { rtol: 0, atol: 1e-4 * largest },
            `${module}.${side}`,
          );
        }
    },
  );

  it('computes close to float32 with weights in bfloat16', async () => {
    const found = session.run('half', await feeds(byName('text'), byName('text').prompt_ids));
    const expected = await golden.expected('text.logits');
    const error = expected.reduce((sum, x, i) => sum + (x - (found['logits']?.[i] ?? 0)) ** 2, 0);
    const size = expected.reduce((sum, x) => sum + x ** 2, 0);
    // Eight bits of mantissa, four products deep.
    expect(Math.sqrt(error / size)).toBeGreaterThan(1e-4);
    expect(Math.sqrt(error / size)).toBeLessThan(0.05);
  });

  it('gives each row of a padded batch what it gives the row alone', async () => {
    const { config, cases } = golden;
    const longest = Math.max(...cases.map(({ prompt_ids }) => prompt_ids.length));
    const size = cases.length * longest;
    const [ids, index, positions] = [new Int32Array(size), new Int32Array(size), new Int32Array(3 * size)];
    const embeds: number[] = [];
    for (const [row, { name, prompt_ids, images }] of cases.entries()) {
      const grids = await Promise.all(images.map(golden.grid));
      const own = positionIds(prompt_ids, grids, config).ids;
      let image = size + embeds.length / config.text.hiddenSize;
      for (let i = 0; i < longest; i++) {
        const at = row * longest + i;
        const token = prompt_ids[i];
        ids[at] = token ?? 0;
        index[at] = token === config.imageTokenId ? image++ : at;
        for (let axis = 0; axis < 3; axis++)
          positions[axis * size + at] = token === undefined ? 0 : (own[axis * prompt_ids.length + i] ?? 0);
      }
      if (images.length > 0) embeds.push(...(await golden.expected(`${name}.image_embeds`)));
    }
    const found = session.run('batch', { ids, index, positions, embeds: Float32Array.from(embeds) });
    const V = config.text.vocabSize;
    for (const [row, { name, prompt_ids }] of cases.entries()) {
      const own = found['logits']?.slice(row * longest * V, (row * longest + prompt_ids.length) * V);
      expectAllClose(own ?? [], await golden.expected(`${name}.logits`), tolerance(name), name);
    }
  });
});
