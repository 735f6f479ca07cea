import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { adamWHyper, adamWStep, HYPER_SIZE } from '../../../../activities/nn/optimizer.ts';
import { Program } from '../../../../activities/nn/runtime/program.ts';
import type { Session } from '../../../../activities/nn/runtime/session.ts';
import { OptimizerSettings } from '../../../../schemas/optimizer-settings.ts';

const P = 7;
const settings = OptimizerSettings.parse({
  learningRate: 0.05,
  schedule: 'cosine',
  warmupSteps: 2,
  weightDecay: 0.1,
  betas: [0.8, 0.95],
  maxGradNorm: 1.5,
});
const TOTAL = 8;

/** PyTorch's AdamW and clip_grad_norm_ written out in float64. */
const reference = (steps: number): { values: number[]; norms: number[] } => {
  let p = Array.from({ length: P }, (_, i) => i - 3);
  let m = p.map(() => 0);
  let v = p.map(() => 0);
  const norms: number[] = [];
  for (let t = 1; t <= steps; t++) {
    let g = p.map((x, i) => Math.sin(x * (i + 1)) + (i - 2) * 0.3 * t);
    const norm = Math.hypot(...g);
    norms.push(norm);
    const factor = Math.min(1, 1.5 / (norm + 1e-6));
    g = g.map((x) => x * factor);
    const s = t - 1;
    const lr = s < 2 ? (0.05 * s) / 2 : 0.05 * 0.5 * (1 + Math.cos((Math.PI * (s - 2)) / (TOTAL - 2)));
    p = p.map((x) => x * (1 - lr * 0.1));
    m = m.map((x, i) => 0.8 * x + 0.2 * (g[i] ?? 0));
    v = v.map((x, i) => 0.95 * x + 0.05 * (g[i] ?? 0) ** 2);
    p = p.map((x, i) => {
      const denominator = Math.sqrt(v[i] ?? 0) / Math.sqrt(1 - 0.95 ** t) + 1e-8;
      return x - ((lr / (1 - 0.8 ** t)) * (m[i] ?? 0)) / denominator;
    });
  }
  return { values: p, norms };
};

describe('adamWStep', () => {
  let session: Session;
  beforeAll(async () => {
    const program = new Program();
    program.entry('update', (t) => {
      const state = {
        values: t.variable('trained/values', [P]),
        m: t.variable('trained/m', [P]),
        v: t.variable('trained/v', [P]),
      };
      const next = adamWStep(t, state, t.input('gradient', [P]), t.input('hyper', [HYPER_SIZE]), settings);
      const writes = (['values', 'm', 'v'] as const).map((k) => t.assign(state[k], next[k]));
      return { outputs: { gradNorm: t.after(writes, next.gradNorm) } };
    });
    session = await program.load();
  });
  afterAll(() => session.dispose());

  it('follows PyTorch over warm-up, cosine, decay and clipping', () => {
    session.set(
      'trained/values',
      Float32Array.from({ length: P }, (_, i) => i - 3),
    );
    session.set('trained/m', new Float32Array(P));
    session.set('trained/v', new Float32Array(P));
    const want = reference(TOTAL);
    for (let step = 0; step < TOTAL; step++) {
      const p = session.get('trained/values');
      const gradient = Float32Array.from(p, (x, i) => Math.sin(x * (i + 1)) + (i - 2) * 0.3 * (step + 1));
      const { gradNorm } = session.run('update', { gradient, hyper: adamWHyper(settings, step, TOTAL) });
      expect(Math.abs((gradNorm?.[0] ?? NaN) - (want.norms[step] ?? 0))).toBeLessThan(1e-5);
    }
    for (const [i, x] of session.get('trained/values').entries())
      expect(Math.abs(x - (want.values[i] ?? NaN)), `value ${i}`).toBeLessThan(2e-6);
  });

  it('leaves the values alone at rate 0, but not the moments', () => {
    const before = session.get('trained/values');
    const m = session.get('trained/m');
    const gradient = new Float32Array(P).fill(0.1);
    session.run('update', { gradient, hyper: adamWHyper(settings, 0, TOTAL) });
    expect(session.get('trained/values')).toEqual(before);
    expect(session.get('trained/m')).not.toEqual(m);
  });
});
