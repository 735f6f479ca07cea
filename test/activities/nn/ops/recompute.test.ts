import { describe, expect, it } from 'vitest';
import { gradient } from '../../../../activities/nn/ops/gradient.ts';
import { liveNodes } from '../../../../activities/nn/ops/node.ts';
import type { Value } from '../../../../activities/nn/ops/node.ts';
import { Trace } from '../../../../activities/nn/ops/trace.ts';
import { normal, randomKey } from '../../../../activities/nn/random.ts';
import { Program } from '../../../../activities/nn/runtime/program.ts';
import { expectAllClose } from '../../../_allclose.ts';

const LAYERS = 3;
const [M, D] = [5, 4];

/** Three gated layers with a residual; `seen` collects what each layer starts from. */
const model = (t: Trace, seen: Value[] = []): { y: Value; xs: Value[] } => {
  const weights = Array.from({ length: LAYERS }, (_, i) => t.input(`w${i}`, [D, D]));
  let x = t.input('x', [M, D]);
  for (const w of weights) {
    seen.push(x);
    const before = x;
    x = t.segment(() => {
      const inner = t.matmul(before, w);
      return t.add(before, t.mul(t.softmax(inner), t.sigmoid(t.exp(inner))));
    });
  }
  seen.push(x);
  return { y: t.sum(t.square(x), [0, 1]), xs: [...weights, t.inputs.get('x')!] };
};

const feeds = Object.fromEntries([
  ...Array.from({ length: LAYERS }, (_, i) => [`w${i}`, normal(randomKey(1, i), D * D)]),
  ['x', normal(randomKey(2), M * D)],
]) as Record<string, Float32Array>;

describe('a backward pass that computes segments again', () => {
  it('has the gradients of one that keeps everything', async () => {
    const program = new Program();
    for (const recompute of [false, true])
      program.entry(recompute ? 'again' : 'kept', (t) => {
        const { y, xs } = model(t);
        const gs = gradient(t, y, xs, { recompute });
        return { outputs: Object.fromEntries([['y', y], ...gs.map((g, i) => [`g${i}`, g])]) };
      });
    const session = await program.load();
    const [kept, again] = [session.run('kept', feeds), session.run('again', feeds)];
    session.dispose();
    for (const [name, values] of Object.entries(kept))
      expectAllClose(again[name] as Float32Array, values as Float32Array, { rtol: 1e-6, atol: 1e-6 });
    expect(Math.max(...kept['g0']!.map(Math.abs))).toBeGreaterThan(0.01);
  });

  it('reads of a segment’s first pass nothing but what it starts from', () => {
    for (const recompute of [false, true]) {
      const t = new Trace();
      const starts: Value[] = [];
      const { y, xs } = model(t, starts);
      const live = liveNodes(t.nodes, gradient(t, y, xs, { recompute }));
      const inside = live
        .filter(({ id }) => id > y.node.id)
        .flatMap(({ inputs }) => inputs)
        .filter((value) => value.node.segment !== undefined && !starts.includes(value));
      if (recompute) expect(inside).toEqual([]);
      else expect(inside.length).toBeGreaterThan(LAYERS);
    }
  });

  it('opens one segment after the other: each waits for the cotangents that the one before gives', () => {
    const t = new Trace();
    const { y, xs } = model(t);
    const live = liveNodes(t.nodes, gradient(t, y, xs, { recompute: true }));
    const waiting = live.filter(({ op }) => op !== 'Identity');
    const gates = [...new Set(waiting.flatMap(({ control }) => control))];
    expect(gates.length).toBe(LAYERS);
    // What a layer gives: to its weights, and twice to what it starts from.
    expect(gates.map(({ control }) => control.length)).toEqual([0, 3, 3]);
    const repeated = live.filter(({ id, op }) => id > y.node.id && op === 'Softmax');
    expect(repeated.length).toBe(LAYERS);
  });

  it('changes nothing in a trace without segments, and leaves the trace as it was where it is off', () => {
    const record = (recompute: boolean, segments: boolean): string[] => {
      const t = new Trace();
      if (!segments) t.segment = (build) => build();
      const { y, xs } = model(t);
      gradient(t, y, xs, { recompute });
      return t.nodes.map(({ op }) => op);
    };
    expect(record(true, false)).toEqual(record(false, false));
    expect(record(false, true)).toEqual(record(false, false));
  });
});

describe('a value whose gradient is known', () => {
  it('passes it on instead of its operation’s own', async () => {
    const program = new Program();
    program.entry('e', (t) => {
      const x = t.input('x', [M, D]);
      const inner = t.square(x);
      const y = t.withPullback(t.sum(inner, [0, 1]), [inner], (g) => [t.mul(t.full([M, D], 2), g)]);
      const [g] = gradient(t, t.scale(y, 3), [x]) as [Value];
      return { outputs: { y, g } };
    });
    const session = await program.load();
    const { g } = session.run('e', { x: feeds['x']! });
    session.dispose();
    expectAllClose(
      g as Float32Array,
      feeds['x']!.map((x) => 12 * x),
      { rtol: 1e-6, atol: 1e-6 },
    );
  });

  it('refuses a gradient of another shape', () => {
    const t = new Trace();
    const x = t.input('x', [M, D]);
    const y = t.withPullback(t.sum(x, [0, 1]), [x], () => [t.full([D], 1)]);
    expect(() => gradient(t, y, [x])).toThrow('pullback: [');
  });
});
