import { describe, expect, it } from 'vitest';
import { startAdapter } from '../../../../activities/nn/training/adapter-start.ts';
import {
  flatLayout,
  FlatLayoutError,
  flatten,
  unflatten,
} from '../../../../activities/nn/training/flat-layout.ts';

const layout = flatLayout([
  { name: 'b', shape: [3] },
  { name: 'a', shape: [2, 2] },
]);
const tensors = new Map([
  ['b', { shape: [3], data: Float32Array.of(5, 6, 7) }],
  ['a', { shape: [2, 2], data: Float32Array.of(1, 2, 3, 4) }],
]);

const withTensor = (name: string, shape: number[], n: number) =>
  new Map([...tensors, [name, { shape, data: new Float32Array(n) }]]);

describe('a flat layout', () => {
  it('lays tensors out by name and takes them apart again', () => {
    const flat = flatten(layout, tensors);
    expect(Array.from(flat)).toEqual([1, 2, 3, 4, 5, 6, 7]);
    expect(unflatten(layout, flat).get('b')).toEqual({ shape: [3], data: Float32Array.of(5, 6, 7) });
  });
  it('refuses missing, misshapen and unknown tensors, and vectors of another length', () => {
    expect(() => flatten(layout, new Map([...tensors].slice(1)))).toThrow('tensor "b" is missing');
    expect(() => flatten(layout, withTensor('a', [4, 1], 4))).toThrow('is [4, 1], the model needs [2, 2]');
    expect(() => flatten(layout, withTensor('c', [1], 1))).toThrow(FlatLayoutError);
    expect(() => unflatten(layout, new Float32Array(6))).toThrow('6 numbers for a layout of 7');
  });
});

describe('startAdapter', () => {
  const A = 'layers.0.q_proj.lora_A.weight';
  const B = 'layers.0.q_proj.lora_B.weight';
  const lora = flatLayout([
    { name: A, shape: [8, 100] },
    { name: B, shape: [100, 8] },
  ]);
  it('draws A uniformly from ±1/√in and leaves B zero, as PEFT does', () => {
    const { data: a } = unflatten(lora, startAdapter(lora, 3)).get(A)!;
    expect(Math.max(...a.map(Math.abs))).toBeLessThanOrEqual(0.1);
    expect(Math.max(...a)).toBeGreaterThan(0.098);
    const mean = a.reduce((s, x) => s + x, 0) / a.length;
    const variance = a.reduce((s, x) => s + (x - mean) ** 2, 0) / a.length;
    expect(Math.abs(mean)).toBeLessThan(0.006);
    expect(Math.abs(variance - 0.01 / 3)).toBeLessThan(3e-4);
    expect(
      unflatten(lora, startAdapter(lora, 3))
        .get(B)!
        .data.every((x) => x === 0),
    ).toBe(true);
  });
  it('depends on the seed and on a tensor’s own name only', () => {
    const alone = flatLayout([{ name: A, shape: [8, 100] }]);
    expect(unflatten(alone, startAdapter(alone, 3)).get(A)).toEqual(
      unflatten(lora, startAdapter(lora, 3)).get(A),
    );
    expect(startAdapter(lora, 3)).not.toEqual(startAdapter(lora, 4));
  });
});
