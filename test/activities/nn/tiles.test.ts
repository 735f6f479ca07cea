import { describe, expect, it } from 'vitest';
import { fusedLinear, linear } from '../../../activities/nn/linear.ts';
import type { Value } from '../../../activities/nn/ops/node.ts';
import type { Trace } from '../../../activities/nn/ops/trace.ts';
import { normal, randomKey } from '../../../activities/nn/random.ts';
import { Program } from '../../../activities/nn/runtime/program.ts';
import { hasTiles, tiled } from '../../../activities/nn/tiles.ts';
import { expectAllClose } from '../../_allclose.ts';

const [M, K, N] = [3, 7, 96];

/** A product by a matrix and the same by its tiles, in parts of so many outputs. */
async function products(sizes: readonly number[], bias: boolean) {
  const numbers = (name: string, size: number): Float32Array => normal(randomKey(5, name), size);
  const program = new Program();
  program.entry('both', (t: Trace) => {
    const x = t.input('x', [1, M, K]);
    const W = t.floats(numbers('W', N * K), [N, K]);
    const b = bias ? { 'a+b.bias': t.floats(numbers('b', N)) } : {};
    const plain = { base: { 'a+b.weight': W, ...b } };
    const inTiles = { base: { 'a+b.tiles': tiled(t, W), ...b } };
    const named = (name: string, values: readonly Value[]): [string, Value][] =>
      values.map((value, i) => [`${name}${i}`, t.after([], value)]);
    return {
      outputs: Object.fromEntries([
        ...named('plain', [linear(t, plain, 'a+b', x), ...fusedLinear(t, plain, ['a', 'b'], x, sizes)!]),
        ...named('tiles', [linear(t, inTiles, 'a+b', x), ...fusedLinear(t, inTiles, ['a', 'b'], x, sizes)!]),
      ]),
    };
  });
  const session = await program.load();
  const found = session.run('both', { x: numbers('x', M * K) });
  session.dispose();
  return found;
}

describe('a product by tiles', () => {
  for (const [sizes, bias] of [
    [[64, 32], false],
    [[64, 32], true],
    [[40, 56], false],
  ] as const)
    it(`is that by the matrix, in parts of ${sizes.join(' and ')} ${bias ? 'with' : 'without'} bias`, async () => {
      const found = await products(sizes, bias);
      for (const i of [0, 1, 2]) {
        expect(found[`tiles${i}`]).toHaveLength(M * [N, ...sizes][i]!);
        expectAllClose(found[`tiles${i}`]!, found[`plain${i}`]!, { rtol: 1e-5, atol: 1e-6 });
      }
    });

  it('is for matrices of a whole number of tiles', () => {
    expect(hasTiles([96, 5])).toBe(true);
    expect(hasTiles([100, 5])).toBe(false);
  });
});
