import { beforeAll, afterAll, describe, expect, it } from 'vitest';
import { forwardVision } from '../../../../activities/nn/models/vision.ts';
import { baseVariables } from '../../../../activities/nn/models/parameters.ts';
import { Program } from '../../../../activities/nn/runtime/program.ts';
import type { Session } from '../../../../activities/nn/runtime/session.ts';
import { adapterPairs } from '../../../../activities/nn/training/adapter.ts';
import {
  addPolicyEntry,
  addSupervisedEntry,
  addValidationEntry,
  entryOf,
} from '../../../../activities/nn/training/entries.ts';
import type { TrainedModel } from '../../../../activities/nn/training/entries.ts';
import { shapeOf } from '../../../../activities/nn/training/batch-shapes.ts';
import type { BatchShape } from '../../../../activities/nn/training/batch-shapes.ts';
import { unflatten } from '../../../../activities/nn/training/flat-layout.ts';
import type { FlatLayout } from '../../../../activities/nn/training/flat-layout.ts';
import {
  imageIndexOf,
  packRows,
  rowSize,
  spreadOverLabels,
} from '../../../../activities/nn/training/rows.ts';
import type { TrainingRow } from '../../../../activities/nn/training/rows.ts';
import { addUpdateEntry, createTrainer } from '../../../../activities/nn/training/trainer.ts';
import type { Batch, Trainer } from '../../../../activities/nn/training/trainer.ts';
import { OptimizerSettings } from '../../../../schemas/optimizer-settings.ts';
import { hasShared } from '../../../_shared.ts';
import { openGolden } from './_golden.ts';
import type { Golden } from './_golden.ts';

const FAMILIES = ['qwen2_vl', 'qwen2_5_vl'] as const;
const CASES = ['text', 'image', 'two-images'] as const;
const ALPHA_OVER_RANK = 2;
const GROUP = 4;

/** The largest difference relative to each tensor's largest entry, with the tensor it is in. */
const worstRelative = (layout: FlatLayout, got: Float32Array, want: Float32Array): [number, string] => {
  const wanted = unflatten(layout, want);
  let worst: [number, string] = [0, ''];
  for (const [name, { data }] of unflatten(layout, got)) {
    const other = wanted.get(name)!.data;
    const largest = Math.max(...other.map(Math.abs));
    const d = Math.max(...data.map((x, i) => Math.abs(x - other[i]!))) / Math.max(largest, 1e-12);
    if (!(d <= worst[0])) worst = [d, name];
  }
  return worst;
};

describe.skipIf(!hasShared).each(FAMILIES)(
  'training beside transformers and PEFT, on the golden %s',
  (family) => {
    let golden: Golden;
    let session: Session;
    let trainer: Trainer;
    let rows: TrainingRow[];
    let completions: TrainingRow[];
    const embeds = new Map<string, Float32Array>();
    const one: Record<string, BatchShape> = {};
    let all: BatchShape;
    let group: BatchShape;

    const feed = (chosen: TrainingRow[], shape: BatchShape, weights: number[]): Batch => {
      const images = new Float32Array(shape.images * golden.config.text.hiddenSize);
      let at = 0;
      for (const row of chosen) {
        images.set(embeds.get(row.id) ?? [], at);
        at += row.imageTokens * golden.config.text.hiddenSize;
      }
      return {
        entry: entryOf(shape),
        feeds: {
          ...packRows(chosen, shape),
          weights: spreadOverLabels(chosen, shape, weights),
          ...(shape.images === 0
            ? {}
            : {
                images,
                imageIndex: imageIndexOf(chosen, shape, golden.config.imageTokenId),
              }),
        },
      };
    };

    beforeAll(async () => {
      golden = await openGolden(family);
      const { config, layout, expected } = golden;
      rows = CASES.map((name) => golden.row(name, expected.cases.find((c) => c.name === name)!.answer_ids));
      completions = expected.gba.completion_ids.map((ids) => golden.row(expected.gba.case, ids));
      all = shapeOf(rows.map(rowSize));
      group = shapeOf(completions.map(rowSize));
      const model: TrainedModel = {
        config,
        layout,
        parameters: (t, trained) => ({
          base: baseVariables(t, config),
          lora: adapterPairs(config, trained, ALPHA_OVER_RANK),
        }),
      };
      const program = new Program();
      for (const row of rows) {
        const n = row.ids.length;
        const shape = { rows: 1, length: n, tokens: n, labels: row.targets.length, images: row.imageTokens };
        one[row.id] = shape;
        addSupervisedEntry(program, model, shape);
        addValidationEntry(program, model, shape);
      }
      addSupervisedEntry(program, model, all);
      addPolicyEntry(program, model, group, {
        beta: expected.gba.beta,
        clip: expected.gba.clip,
        clipHigh: null,
        temperature: 1,
        feedOld: true,
      });
      const pictures = await Promise.all(CASES.slice(1).map((name) => golden.pixels(name)));
      for (const [i, { pixels, grids }] of pictures.entries())
        program.entry(`vision/${i}`, (t) => {
          const patches = t.input('pixels', [pixels.length / 1176, 1176]);
          return {
            outputs: {
              embeds: forwardVision(t, { base: baseVariables(t, config) }, config, {
                pixels: patches,
                grids,
              }),
            },
          };
        });
      const settings = OptimizerSettings.parse({ learningRate: expected.adamw.lr, schedule: 'constant' });
      addUpdateEntry(program, layout, settings);
      session = await program.load();
      await session.fill('base', (name) => golden.base.get(name)!);
      for (const [i, { pixels }] of pictures.entries())
        embeds.set(CASES[i + 1]!, session.run(`vision/${i}`, { pixels })['embeds'] as Float32Array);
      trainer = createTrainer(session, layout, settings, expected.adamw.steps);
      await trainer.start({ values: golden.adapter });
    });
    afterAll(async () => {
      session?.dispose();
      await golden?.close();
    });

    it.each(CASES)('has the reference’s loss and gradients: %s', async (name) => {
      const row = rows.find((r) => r.id === name)!;
      const { loss, gradient } = await trainer.gradientOf([
        feed([row], one[name]!, [1 / row.targets.length]),
      ]);
      expect(Math.abs(loss - golden.expected.cases.find((c) => c.name === name)!.sft_loss)).toBeLessThan(
        1e-5,
      );
      const [d, where] = worstRelative(golden.layout, gradient, await golden.flat(`${name}.sft.grad.`));
      expect(d, where).toBeLessThan(1e-4);
    });

    it.each(CASES)('has the reference’s loss without its gradient, too: %s', async (name) => {
      const row = rows.find((r) => r.id === name)!;
      const { feeds } = feed([row], one[name]!, [1 / row.targets.length]);
      const { loss, hits } = session.run(entryOf(one[name]!, 'validate'), feeds);
      const want = golden.expected.cases.find((c) => c.name === name)!.sft_loss;
      expect(Math.abs(loss![0]! - want)).toBeLessThan(1e-5);
      expect(hits![0]).toBeLessThanOrEqual(row.targets.length);
    });

    it('gathers the same gradient from a padded batch as row by row', async () => {
      const weights = rows.map((r) => 1 / (3 * r.targets.length));
      const alone = await trainer.gradientOf(rows.map((r, i) => feed([r], one[r.id]!, [weights[i]!])));
      const batched = await trainer.gradientOf([feed(rows, all, weights)]);
      expect(Math.abs(alone.loss - batched.loss)).toBeLessThan(1e-5);
      const [d, where] = worstRelative(golden.layout, batched.gradient, alone.gradient);
      expect(d, where).toBeLessThan(1e-5);
    });

    it('has the reference’s GBA loss, divergence and gradients', async () => {
      const { gba } = golden.expected;
      const old = await Promise.all(completions.map((_, i) => golden.read(`gba.${i}.old_logps`)));
      const batch = feed(
        completions.map((c) => ({ ...c, id: gba.case })),
        group,
        completions.map((c) => 1 / (GROUP * c.targets.length)),
      );
      const padded = new Float32Array(group.labels);
      padded.set(old.flatMap((o) => Array.from(o)));
      const feeds = {
        ...batch.feeds,
        oldLogProbs: padded,
        advantages: spreadOverLabels(completions, group, gba.advantages),
      };
      const { loss, gradient } = await trainer.gradientOf([{ entry: batch.entry, feeds }]);
      expect(Math.abs(loss - gba.loss)).toBeLessThan(1e-5);
      const [d, where] = worstRelative(golden.layout, gradient, await golden.flat('gba.grad.'));
      expect(d, where).toBeLessThan(1e-4);
    });

    it('follows five accumulated AdamW steps to the same losses and adapter', async () => {
      await trainer.start({ values: golden.adapter });
      const { losses, steps } = golden.expected.adamw;
      for (let i = 0; i < steps; i++) {
        const { loss } = await trainer.step(i, [
          feed(
            rows,
            all,
            rows.map((r) => 1 / (3 * r.targets.length)),
          ),
        ]);
        expect(Math.abs(loss - losses[i]!), `step ${i + 1}`).toBeLessThan(1e-4);
      }
      const { values } = trainer.capture();
      const worst = Math.max(...values.map((x, i) => Math.abs(x - golden.adapterAfter[i]!)));
      expect(worst).toBeLessThan(5e-5);
    });
  },
);
