import { describe, expect, it } from 'vitest';
import {
  policyLoss,
  tokenEntropies,
  tokenLogProbs,
  weightedCrossEntropy,
} from '../../../../activities/nn/losses.ts';
import { gradient } from '../../../../activities/nn/ops/gradient.ts';
import { liveNodes } from '../../../../activities/nn/ops/node.ts';
import type { Value } from '../../../../activities/nn/ops/node.ts';
import { sizeOf } from '../../../../activities/nn/ops/shape.ts';
import { Trace } from '../../../../activities/nn/ops/trace.ts';
import { normal, randomKey } from '../../../../activities/nn/random.ts';
import { Program } from '../../../../activities/nn/runtime/program.ts';
import { labelChunks, overLabels } from '../../../../activities/nn/training/label-chunks.ts';
import type { PartOf } from '../../../../activities/nn/training/label-chunks.ts';
import { expectAllClose } from '../../../_allclose.ts';

const [M, D, V] = [11, 6, 40];
const CHUNKS = [4, 4, 3];

/** A layer, and an output table that is the embedding table too. */
const inputs = (t: Trace) => {
  const w = t.input('w', [D, D]);
  const table = t.input('table', [V, D]);
  const embedded = t.gather(table, t.input('ids', [M], 'int32'));
  return { w, table, hidden: t.tanh(t.matmul(embedded, w)) };
};

const losses = {
  supervised: (t: Trace, { table, hidden }: ReturnType<typeof inputs>) => {
    const [labels, weights] = [t.input('labels', [M], 'int32'), t.input('weights', [M])];
    return (part: PartOf): Record<string, Value> & { loss: Value } => ({
      loss: weightedCrossEntropy(t, t.matmul(part(hidden), table, false, true), part(labels), part(weights)),
    });
  },
  policy: (t: Trace, { table, hidden }: ReturnType<typeof inputs>) => {
    const [labels, weights] = [t.input('labels', [M], 'int32'), t.input('weights', [M])];
    const [old, advantages, reference] = ['old', 'advantages', 'reference'].map((name) => t.input(name, [M]));
    return (part: PartOf): Record<string, Value> & { loss: Value } => {
      const logits = t.matmul(part(hidden), table, false, true);
      const logProbs = tokenLogProbs(t, logits, part(labels));
      const found = policyLoss(
        t,
        {
          logProbs,
          oldLogProbs: part(old!),
          referenceLogProbs: part(reference!),
          advantages: part(advantages!),
          weights: part(weights),
        },
        { beta: 0.04, clip: 0.2, clipHigh: 0.28 },
      );
      return { ...found, logProbs, entropy: tokenEntropies(t, logits) };
    };
  },
};

const feeds = {
  w: normal(randomKey(1), D * D),
  table: normal(randomKey(2), V * D),
  ids: Int32Array.from({ length: M }, (_, i) => (i * 7) % V),
  labels: Int32Array.from({ length: M }, (_, i) => (i * 5 + 3) % V),
  weights: Float32Array.from({ length: M }, (_, i) => (i === 4 ? 0 : (i + 1) / 70)),
};
const policyFeeds = {
  old: Float32Array.from({ length: M }, (_, i) => -4 + (i % 4) / 5),
  advantages: Float32Array.from({ length: M }, (_, i) => Math.sin(i)),
  reference: Float32Array.from({ length: M }, (_, i) => -3.5 - (i % 3) / 5),
};

describe('a loss over label places in chunks', () => {
  it.each(['supervised', 'policy'] as const)(
    'is what it is in one piece, with its gradients, those of a tied table included: %s',
    async (kind) => {
      const program = new Program();
      for (const [name, chunks] of [
        ['whole', [M]],
        ['chunks', CHUNKS],
      ] as const)
        program.entry(name, (t) => {
          const given = inputs(t);
          const by = { rows: [given.hidden], shared: [given.table] };
          const found = overLabels(t, chunks, by, losses[kind](t, given));
          const [w, table] = gradient(t, found['loss']!, [given.w, given.table]) as [Value, Value];
          return { outputs: { ...found, gw: w, gtable: table } };
        });
      const session = await program.load();
      const all = kind === 'policy' ? { ...feeds, ...policyFeeds } : feeds;
      const [whole, chunked] = [session.run('whole', all), session.run('chunks', all)];
      session.dispose();
      expect(Object.keys(chunked).sort()).toEqual(Object.keys(whole).sort());
      for (const [name, want] of Object.entries(whole)) {
        const largest = Math.max(...Array.from(want, Math.abs));
        expectAllClose(chunked[name]!, want, { rtol: 1e-6, atol: 1e-6 * (largest || 1) }, name);
        if (!name.startsWith('clipped')) expect(largest, name).toBeGreaterThan(1e-3);
      }
    },
  );

  it('leaves a frozen table alone and holds the logits of one chunk', () => {
    const t = new Trace();
    const given = inputs(t);
    const build = losses.supervised(t, given);
    const { loss } = overLabels(t, CHUNKS, { rows: [given.hidden], shared: [] }, build);
    const live = liveNodes(t.nodes, gradient(t, loss!, [given.w]));
    const sizes = live.flatMap(({ outputs }) => outputs.map(({ shape }) => sizeOf(shape)));
    expect(Math.max(...sizes)).toBe(V * D);
    const logits = live.filter(({ outputs }) => outputs[0]?.shape[1] === V);
    expect(new Set(logits.map(({ outputs }) => outputs[0]!.shape[0]))).toEqual(new Set(CHUNKS));
    // No product twice: each chunk has its logits and what goes back to its hidden states.
    const products = live.filter(
      (node) => node.op === 'MatMul' && [V, D].includes(node.outputs[0]!.shape[1]!),
    );
    expect(products.filter(({ outputs }) => outputs[0]!.shape[0]! < D).length).toBe(2 * CHUNKS.length);
  });

  it('begins a chunk when the one before it in its lane and that one’s gradient are done', () => {
    const t = new Trace();
    const given = inputs(t);
    const by = { rows: [given.hidden], shared: [given.table] };
    overLabels(t, CHUNKS, by, losses.supervised(t, given));
    const starts = t.nodes.filter(({ control }) => control.length > 0);
    // Of three chunks in two lanes the third one's hidden states, labels and weights wait for loss and two gradients of the first.
    expect(starts.map(({ control }) => control.length)).toEqual([3, 3, 3]);
    const second = t.nodes.filter(({ op }) => op === 'Slice')[3]!;
    for (const { control } of starts) for (const { id } of control) expect(id).toBeLessThan(second.id);
  });

  it('is one chunk a lane where all logits fit', () => {
    expect(labelChunks(512, 1024, 2)).toEqual([256, 256]);
    expect(labelChunks(1, 1024, 2)).toEqual([1]);
    expect(labelChunks(0, 1024, 2)).toEqual([]);
    expect(labelChunks(2048, 151_936, 2)).toEqual([205, 205, 205, 205, 204, 205, 205, 205, 205, 204]);
    expect(labelChunks(11, V, 2, 4 * V)).toEqual([2, 2, 2, 2, 2, 1]);
    expect(labelChunks(3, V, 2, 1)).toEqual([1, 1, 1]);
  });

  it('records nothing of its own for one chunk', () => {
    const record = (chunked: boolean): string[] => {
      const t = new Trace();
      const given = inputs(t);
      const build = losses.policy(t, given);
      if (chunked) overLabels(t, [M], { rows: [given.hidden], shared: [given.table] }, build);
      else build((value) => value);
      return t.nodes.map(({ op }) => op);
    };
    expect(record(true)).toEqual(record(false));
  });
});
