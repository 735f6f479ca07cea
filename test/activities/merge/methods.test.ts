import { describe, expect, it } from 'vitest';
import { dropAndRescale } from '../../../activities/merge/dare.ts';
import { slerp } from '../../../activities/merge/slerp.ts';
import { weightedMean, weightedSum } from '../../../activities/merge/sums.ts';
import { lowRankProduct, vectorOf } from '../../../activities/merge/task-vector.ts';
import { electAndAverage } from '../../../activities/merge/ties.ts';
import { normal, randomKey } from '../../../activities/nn/random.ts';

const f32 = (...values: number[]): Float32Array => Float32Array.of(...values);

describe('electAndAverage', () => {
  it('elects the sign with weights and divides by the weights that agree, as mergekit does', () => {
    // PEFT gives [0.6, 4] here: it elects without weights and divides by the count.
    const merged = electAndAverage([f32(3, -1), f32(-2, 4), f32(0, -3)], [0.2, 1, 1]);
    expect([...merged]).toEqual([-2, 4]);
  });

  it('lets a sum of 0 elect plus, and leaves entries that nobody has at 0', () => {
    expect([...electAndAverage([f32(2, 0), f32(-2, 0)], [1, 1])]).toEqual([2, 0]);
  });

  it('does not change when all weights are multiplied by the same number', () => {
    const vectors = [1, 2, 3].map((seed) => normal(randomKey(seed), 200));
    const once = electAndAverage(vectors, [0.25, 0.5, 1]);
    expect(electAndAverage(vectors, [0.5, 1, 2])).toEqual(once);
  });

  it('is the vector itself for one vector', () => {
    const vector = normal(randomKey(9), 100);
    expect(electAndAverage([vector], [1])).toEqual(vector);
  });
});

describe('sums', () => {
  it('add weighted vectors, or average them', () => {
    expect([...weightedSum([f32(1, 2), f32(3, -4)], [1, 0.5])]).toEqual([2.5, 0]);
    expect([...weightedMean([f32(1, 2), f32(3, -4)], [1, 3])]).toEqual([2.5, -2.5]);
  });

  it('have no mean where weights add up to 0', () => {
    expect(() => weightedMean([f32(1), f32(2)], [1, -1])).toThrow('add up to 0');
  });
});

describe('slerp', () => {
  it('goes along the arc from one end to the other', () => {
    const [a, b] = [f32(1, 0), f32(0, 1)];
    expect([...slerp(a, b, 0)]).toEqual([1, 0]);
    expect(slerp(a, b, 1)[1]).toBeCloseTo(1, 7);
    const middle = slerp(a, b, 0.5);
    expect([...middle].map((x) => x.toFixed(6))).toEqual(['0.707107', '0.707107']);
  });

  it('goes straight between nearly parallel tensors, and from a tensor of zeros', () => {
    expect([...slerp(f32(1, 0), f32(3, 0), 0.25)]).toEqual([1.5, 0]);
    expect([...slerp(f32(0, 0), f32(2, 0), 0)]).toEqual([0, 0]);
  });
});

const drop = (length: number, ...names: [number, string, string]) => {
  const x = new Float32Array(length).fill(1);
  dropAndRescale(x, 0.5, ...names);
  return [...x];
};

describe('dropAndRescale', () => {
  it('drops about the share it should and keeps the expectation', () => {
    const x = new Float32Array(200_000).fill(1);
    dropAndRescale(x, 0.3, 7, 'AM', 'w');
    const kept = x.filter((value) => value !== 0);
    expect(Math.abs(kept.length / x.length - 0.3)).toBeLessThan(0.005);
    expect(new Set(kept)).toEqual(new Set([Math.fround(1 / 0.3)]));
  });

  it('depends on seed, vector, tensor and index, and on nothing else', () => {
    const once = drop(70_000, 1, 'AM', 'w');
    expect(drop(70_000, 1, 'AM', 'w')).toEqual(once);
    expect(drop(100, 1, 'AM', 'w')).toEqual(once.slice(0, 100));
    for (const names of [
      [2, 'AM', 'w'],
      [1, 'BS', 'w'],
      [1, 'AM', 'v'],
    ] as [number, string, string][])
      expect(drop(100, ...names)).not.toEqual(once.slice(0, 100));
  });
});

describe('a task vector', () => {
  const [rank, inputs, outputs] = [3, 50, 40];
  const a = normal(randomKey(1), rank * inputs);
  const b = normal(randomKey(2), outputs * rank);
  const lora = { rank, alpha: 6, a, b, inputs, outputs };
  const settings = { rank, alpha: 6, rankStabilised: false, dropout: 0, baseModel: null };
  const adapter = { path: 'a', settings, modules: new Map([['m', lora]]), trainedOn: undefined };

  it('is (α/r)·B·A to float32’s precision', async () => {
    const product = await lowRankProduct(lora, 2);
    let worst = 0;
    for (let n = 0; n < outputs; n++)
      for (let k = 0; k < inputs; k++) {
        let exact = 0;
        for (let r = 0; r < rank; r++) exact += b[n * rank + r]! * a[r * inputs + k]!;
        worst = Math.max(worst, Math.abs(product[n * inputs + k]! - 2 * exact));
      }
    expect(worst).toBeLessThan(2e-6);
  });

  it('counts the start it was trained on in', async () => {
    const start = normal(randomKey(3), outputs * inputs);
    const source = {
      name: 'RL',
      weight: 1,
      adapter,
      start: async () => start.slice(),
      startTensors: new Set(['m.weight']),
    };
    const total = (await vectorOf(source, 'm.weight', lowRankProduct))!;
    const own = (await vectorOf({ name: 'RL', weight: 1, adapter }, 'm.weight', lowRankProduct))!;
    expect(total).toEqual(own.map((x, i) => x + start[i]!));
    expect(
      await vectorOf({ name: 'RL', weight: 1, adapter }, 'other.weight', lowRankProduct),
    ).toBeUndefined();
  });

  it('that diverged is refused by name', async () => {
    const broken = { ...adapter, modules: new Map([['m', { ...lora, b: b.map(() => Infinity) }]]) };
    await expect(
      vectorOf({ name: 'CAH', weight: 1, adapter: broken }, 'm.weight', lowRankProduct),
    ).rejects.toThrow('vector CAH is not finite in m.weight');
  });
});
