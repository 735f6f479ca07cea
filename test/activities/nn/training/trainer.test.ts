import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { weightedCrossEntropy } from '../../../../activities/nn/losses.ts';
import { Program } from '../../../../activities/nn/runtime/program.ts';
import type { Session } from '../../../../activities/nn/runtime/session.ts';
import { loadTensorFlow } from '../../../../activities/nn/runtime/tensorflow.ts';
import { flatLayout } from '../../../../activities/nn/training/flat-layout.ts';
import {
  addGradientEntry,
  addUpdateEntry,
  createTrainer,
} from '../../../../activities/nn/training/trainer.ts';
import type { Batch, Trainer } from '../../../../activities/nn/training/trainer.ts';
import { OptimizerSettings } from '../../../../schemas/optimizer-settings.ts';

/** A bigram model: logits of the next token are a row of a table plus a bias. */
const V = 12;
const layout = flatLayout([
  { name: 'bias', shape: [V] },
  { name: 'table', shape: [V, V] },
]);
const settings = OptimizerSettings.parse({ learningRate: 0.05, schedule: 'linear', maxGradNorm: 1 });
const STEPS = 240;
const tokens = (seed: number, n: number): Int32Array =>
  Int32Array.from({ length: n }, (_, i) => (i * 7 + seed * 5 + (i % 3)) % V);

const batch = (entry: string, seed: number, n: number, all: number): Batch => ({
  entry,
  feeds: { ids: tokens(seed, n), labels: tokens(seed + 1, n), weights: new Float32Array(n).fill(1 / all) },
});

describe('the trainer', () => {
  let session: Session;
  let trainer: Trainer;
  const start = (): Promise<void> =>
    trainer.start({ values: Float32Array.from({ length: layout.size }, (_, i) => Math.sin(i)) });

  const run = async (stops: number[]): Promise<Uint32Array> => {
    await start();
    for (let i = 0; i < 20; i++) {
      await trainer.step(i, [batch('gradient/4', i, 4, 12), batch('gradient/8', i + 1, 8, 12)]);
      if (stops.includes(i)) {
        const arrays = trainer.capture();
        await trainer.start({ values: new Float32Array(layout.size) });
        await trainer.start(arrays);
      }
    }
    return new Uint32Array(trainer.capture().values.slice().buffer);
  };

  beforeAll(async () => {
    const program = new Program();
    for (const n of [4, 8, 12])
      addGradientEntry(program, `gradient/${n}`, layout, (t, { bias, table }) => {
        const logits = t.add(t.gather(table!, t.input('ids', [n], 'int32')), bias!);
        const weights = t.input('weights', [n]);
        return { loss: weightedCrossEntropy(t, logits, t.input('labels', [n], 'int32'), weights) };
      });
    addUpdateEntry(program, layout, settings);
    session = await program.load();
    trainer = createTrainer(session, layout, settings, STEPS);
  });
  afterAll(() => session.dispose());

  it('gathers the same gradient from micro-batches as from one batch', async () => {
    await start();
    const [a, b] = [batch('gradient/4', 1, 4, 12), batch('gradient/8', 2, 8, 12)];
    const join = (key: string, make: (n: number) => Int32Array | Float32Array) => {
      const out = make(12);
      out.set(a.feeds[key]!, 0);
      out.set(b.feeds[key]!, 4);
      return out;
    };
    const whole: Batch = {
      entry: 'gradient/12',
      feeds: {
        ids: join('ids', (n) => new Int32Array(n)),
        labels: join('labels', (n) => new Int32Array(n)),
        weights: join('weights', (n) => new Float32Array(n)),
      },
    };
    const parts = await trainer.gradientOf([a, b]);
    const one = await trainer.gradientOf([whole]);
    expect(Math.abs(parts.loss - one.loss)).toBeLessThan(1e-6);
    const worst = Math.max(...parts.gradient.map((x, i) => Math.abs(x - one.gradient[i]!)));
    expect(worst).toBeLessThan(1e-7);
    expect(Math.max(...one.gradient.map(Math.abs))).toBeGreaterThan(0.01);
  });

  it('learns, and leaks no tensor over 200 steps', async () => {
    await start();
    const { memory } = loadTensorFlow();
    const losses: number[] = [];
    let before = 0;
    for (let i = 0; i < 205; i++) {
      if (i === 5) before = memory().numTensors;
      losses.push((await trainer.step(i, [batch('gradient/8', i % 4, 8, 8)])).loss);
    }
    expect(memory().numTensors).toBe(before);
    expect(losses.at(-1)).toBeLessThan((losses[0] ?? 0) / 4);
  });

  it('comes to the same bits when it is stopped after any step and goes on from its state', async () => {
    const undisturbed = await run([]);
    expect(await run([0])).toEqual(undisturbed);
    expect(await run([6, 13])).toEqual(undisturbed);
  });

  it('updates nothing where a loss is not finite', async () => {
    await start();
    await trainer.step(0, [batch('gradient/4', 0, 4, 4)]);
    const before = trainer.capture();
    const bad = batch('gradient/4', 1, 4, 4);
    const outcome = await trainer.step(1, [
      batch('gradient/8', 0, 8, 12),
      { ...bad, feeds: { ...bad.feeds, weights: new Float32Array(4).fill(NaN) } },
    ]);
    expect(outcome.loss).toBeNaN();
    expect(outcome.gradNorm).toBeNaN();
    expect(trainer.capture()).toEqual(before);
    expect(before.values.every(Number.isFinite)).toBe(true);
  });
});
