import { describe, expect, it } from 'vitest';
import { slerpFactors } from '../../../activities/merge/slerp.ts';
import type { MergeParams } from '../../../schemas/merge-params.ts';
import { f32, given, mergeAll, mergeOne, random, trained } from './_merge.ts';

describe('TIES', () => {
  const whole = { method: 'ties', density: 1 } as const;

  it('elects the sign with weights and divides by the weights that agree, as mergekit does', async () => {
    // PEFT gives [0.6, 4] here: it elects without weights and divides by the count.
    const merged = await mergeOne([f32(3, -1), f32(-2, 4), f32(0, -3)], whole, [0.2, 1, 1]);
    expect([...merged]).toEqual([-2, 4]);
  });

  it('lets a sum of 0 elect plus, and leaves entries that nobody has at 0', async () => {
    expect([...(await mergeOne([f32(2, 0), f32(-2, 0)], whole))]).toEqual([2, 0]);
  });

  it('does not change when all weights are multiplied by the same number', async () => {
    const vectors = [1, 2, 3].map((seed) => random(seed, 203));
    const once = await mergeOne(vectors, whole, [0.25, 0.5, 1]);
    expect(await mergeOne(vectors, whole, [0.5, 1, 2])).toEqual(once);
  });

  it('is the vector itself for one vector, and that times λ', async () => {
    const vector = random(9, 101);
    expect(await mergeOne([vector], whole)).toEqual(vector);
    expect(await mergeOne([vector], { ...whole, lambda: 0.5 })).toEqual(vector.map((x) => x / 2));
  });

  it('is the mean of those that agree, by definition', async () => {
    const [vectors, weights] = [[1, 2, 3, 4, 5].map((seed) => random(seed, 5003)), [1, 0.5, 2, 1, 0.25]];
    const merged = await mergeOne(vectors, whole, weights);
    const wanted = merged.map((_, i) => {
      const weighted = vectors.map((x, v) => weights[v]! * x[i]!);
      const plus = weighted.reduce((sum, x) => sum + x, 0) >= 0;
      const agree = weighted.flatMap((x, v) => ((plus ? x > 0 : x < 0) ? [v] : []));
      const total = agree.reduce((sum, v) => sum + weights[v]!, 0);
      return agree.reduce((sum, v) => sum + weighted[v]!, 0) / total;
    });
    for (const [i, x] of merged.entries()) expect(Math.abs(x - wanted[i]!)).toBeLessThan(1e-6);
  });

  it('counts a vector that does not touch a tensor as 0 there', async () => {
    const sources = [given('a', { w: f32(2), v: f32(4) }), given('b', { w: f32(4) })];
    const merged = await mergeAll(sources, whole, { shapes: { w: [1], v: [1] } });
    expect([merged['w']!.vector[0], merged['v']!.vector[0]]).toEqual([3, 4]);
    const mean = await mergeAll(sources, { method: 'linear' }, { shapes: { w: [1], v: [1] } });
    expect([mean['w']!.vector[0], mean['v']!.vector[0]]).toEqual([3, 2]);
  });
});

describe('sums', () => {
  it('add weighted vectors, or average them', async () => {
    const vectors = [f32(1, 2), f32(3, -4)];
    expect([...(await mergeOne(vectors, { method: 'task-arithmetic' }, [1, 0.5]))]).toEqual([2.5, 0]);
    expect([...(await mergeOne(vectors, { method: 'linear' }, [1, 3]))]).toEqual([2.5, -2.5]);
  });

  it('have no mean where weights add up to 0', async () => {
    await expect(mergeOne([f32(1), f32(2)], { method: 'linear' }, [1, -1])).rejects.toThrow('add up to 0');
  });
});

/** The model that slerp makes of base + a and base + b. */
const turned = async (base: Float32Array, a: Float32Array, b: Float32Array, t: number) => {
  const setting = { base: { w: base }, shapes: { w: [base.length] } };
  const merged = await mergeAll(
    [given('a', { w: a }), given('b', { w: b })],
    { method: 'slerp', t },
    setting,
  );
  return Array.from(merged['w']!.vector, (x, i) => x + base[i]!);
};

describe('slerp', () => {
  it('goes along the arc from one end to the other', async () => {
    const [base, a, b] = [f32(0.5, 0.5), f32(0.5, -0.5), f32(-0.5, 0.5)];
    expect(await turned(base, a, b, 0)).toEqual([1, 0]);
    expect((await turned(base, a, b, 1))[1]).toBeCloseTo(1, 6);
    const middle = await turned(base, a, b, 0.5);
    expect(middle.map((x) => x.toFixed(6))).toEqual(['0.707107', '0.707107']);
  });

  it('goes straight between nearly parallel tensors, and from a tensor of zeros', async () => {
    expect(await turned(f32(0, 0), f32(1, 0), f32(3, 0), 0.25)).toEqual([1.5, 0]);
    expect(slerpFactors([0, 4, 0], 0)[0]).toBe(1);
  });

  it('takes the base itself for a vector that does not touch the tensor', async () => {
    const setting = { base: { w: f32(1, 0) }, shapes: { w: [2], v: [1] } };
    const sources = [given('a', { v: f32(1) }), given('b', { w: f32(-1, 1) })];
    const merged = await mergeAll(sources, { method: 'slerp', t: 0.5 }, setting);
    const model = Array.from(merged['w']!.vector, (x, i) => (x + [1, 0][i]!).toFixed(6));
    expect(model).toEqual(['0.707107', '0.707107']);
  });
});

const drop = (length: number, params: Partial<MergeParams>, name = 'AM', tensor = 'w') =>
  mergeAll(
    [given(name, { [tensor]: new Float32Array(length).fill(1) })],
    { method: 'dare-ties', ...params },
    { shapes: { [tensor]: [length] } },
  ).then((merged) => [...merged[tensor]!.vector]);

describe('DARE', () => {
  it('drops about the share it should and keeps the expectation', async () => {
    const x = await drop(200_000, { density: 0.3, seed: 7 });
    const kept = x.filter((value) => value !== 0);
    expect(Math.abs(kept.length / x.length - 0.3)).toBeLessThan(0.005);
    expect(new Set(kept)).toEqual(new Set([Math.fround(1 / 0.3)]));
  });

  it('depends on seed, vector, tensor and index, and on nothing else', async () => {
    const params = { density: 0.5, seed: 1 };
    const once = await drop(70_000, params);
    expect(await drop(70_000, params)).toEqual(once);
    expect(await drop(100, params)).toEqual(once.slice(0, 100));
    for (const [name, tensor, seed] of [
      ['AM', 'w', 2],
      ['BS', 'w', 1],
      ['AM', 'v', 1],
    ] as const)
      expect(await drop(100, { ...params, seed }, name, tensor)).not.toEqual(once.slice(0, 100));
  });
});

describe('a task vector', () => {
  it.each([
    [1, 40, 50],
    [3, 17, 51],
    [8, 300, 64],
    [20, 33, 130],
  ])('is (α/r)·B·A to float32’s precision: rank %i, [%i, %i]', async (rank, outputs, inputs) => {
    const [a, b] = [random(1, rank * inputs), random(2, outputs * rank)];
    const adapter = trained(rank, a, b);
    const merged = await mergeAll(
      [{ name: 'AM', weight: 1, adapter }],
      { method: 'task-arithmetic' },
      { shapes: { 'm.weight': [outputs, inputs] } },
    );
    const { vector } = merged['m.weight']!;
    let worst = 0;
    for (let n = 0; n < outputs; n++)
      for (let k = 0; k < inputs; k++) {
        let exact = 0;
        for (let r = 0; r < rank; r++) exact += b[n * rank + r]! * a[r * inputs + k]!;
        worst = Math.max(worst, Math.abs(vector[n * inputs + k]! - 2 * exact));
      }
    expect(worst).toBeLessThan(3e-7 * rank + 2e-6);
  });

  const [rank, inputs, outputs] = [3, 50, 40];
  const adapter = trained(rank, random(1, rank * inputs), random(2, outputs * rank));
  const shapes = { 'm.weight': [outputs, inputs] };
  const sum = { method: 'task-arithmetic' } as const;

  it('counts the start it was trained on in', async () => {
    const start = random(3, outputs * inputs);
    const own = await mergeAll([{ name: 'RL', weight: 1, adapter }], sum, { shapes });
    const source = { ...given('RL', { 'm.weight': start }), adapter };
    const total = await mergeAll([source], sum, { shapes });
    expect(total['m.weight']!.vector).toEqual(own['m.weight']!.vector.map((x, i) => x + start[i]!));
  });

  it('is scaled by α/√r where the adapter is rank-stabilised', async () => {
    const lora = adapter.modules.get('m')!;
    const stable = trained(rank, lora.a, lora.b, { rankStabilised: true });
    const [plain, scaled] = [
      await mergeAll([{ name: 'RL', weight: 1, adapter }], sum, { shapes }),
      await mergeAll([{ name: 'RL', weight: 1, adapter: stable }], sum, { shapes }),
    ];
    const ratio = scaled['m.weight']!.vector[7]! / plain['m.weight']!.vector[7]!;
    expect(ratio).toBeCloseTo(Math.sqrt(rank), 5);
  });

  it.each([Infinity, NaN])('that diverged to %d is refused by name', async (value) => {
    const lora = adapter.modules.get('m')!;
    const broken = trained(
      rank,
      lora.a,
      lora.b.map((x, i) => (i === 100 ? value : x)),
    );
    for (const method of ['ties', 'task-arithmetic'] as const)
      await expect(
        mergeAll([{ name: 'CAH', weight: 1, adapter: broken }], { method }, { shapes }),
      ).rejects.toThrow('vector CAH is not finite in m.weight');
  });
});
