import { describe, expect, it } from 'vitest';
import { normal, permutation, philox, randomKey, uniform } from '../../../activities/nn/random.ts';

const hex = (words: readonly number[]): string => words.map((w) => w.toString(16).padStart(8, '0')).join(' ');

describe('random numbers', () => {
  // Known answers of Random123, kat_vectors: philox4x32 10.
  it('are those of Philox 4×32', () => {
    expect(hex(philox([0, 0, 0, 0], [0, 0]))).toBe('6627e8d5 e169c58d bc57ac4c 9b00dbd8');
    const ones = 0xffffffff;
    expect(hex(philox([ones, ones, ones, ones], [ones, ones]))).toBe('408f276d 41c83b0e a20bc7c6 6d5451fd');
    expect(hex(philox([0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344], [0xa4093822, 0x299f31d0]))).toBe(
      'd16cfe09 94fdcceb 5001e420 24126ea1',
    );
  });

  it('do not depend on how they are asked for', () => {
    const key = randomKey(3, 'draw');
    const whole = uniform(key, 1000);
    expect(uniform(key, 10, 500)).toEqual(whole.slice(500, 510));
    expect(normal(key, 7)).toEqual(normal(key, 100).slice(0, 7));
  });

  it('are the words of successive counters, of which the second word counts too', () => {
    const key = randomKey(4, 'far');
    const at = 2 ** 32 - 1;
    const words = [...philox([at, 0, 0, 0], key), ...philox([0, 1, 0, 0], key)];
    const numbers = words.map((word) => (word >>> 8) / 2 ** 24);
    expect([...uniform(key, 6, 4 * at + 1)]).toEqual(numbers.slice(1, 7));
  });

  it('have keys that differ by seed, label, order and kind of label', () => {
    const keys = [
      randomKey(1, 'a', 'b'),
      randomKey(2, 'a', 'b'),
      randomKey(1, 'b', 'a'),
      randomKey(1, 'ab'),
      randomKey(1, 'a', 1),
      randomKey(1, 'a', '1'),
      randomKey(1, 'a'),
      randomKey(2 ** 40 + 1, 'a'),
      randomKey(1, 'a much longer label than eight bytes'),
      randomKey(1, 'a much longer label than eight byteS'),
    ];
    expect(new Set(keys.map((key) => key.join())).size).toBe(keys.length);
    expect(() => randomKey(-1)).toThrow('seed -1');
  });

  it('are uniform in [0, 1) and normal with mean 0 and variance 1', () => {
    const u = uniform(randomKey(1, 'u'), 20_000);
    expect(u.every((x) => x >= 0 && x < 1)).toBe(true);
    // Five standard errors each.
    expect(Math.abs(mean(u) - 0.5)).toBeLessThan(5 * Math.sqrt(1 / 12 / u.length));
    const z = normal(randomKey(1, 'z'), 20_000);
    expect(Math.abs(mean(z))).toBeLessThan(5 / Math.sqrt(z.length));
    expect(Math.abs(mean(z.map((x) => x * x)) - 1)).toBeLessThan(5 * Math.sqrt(2 / z.length));
    expect(Math.abs(mean(z.map((x) => x ** 4)) - 3)).toBeLessThan(5 * Math.sqrt(96 / z.length));
  });

  it('put the numbers below n in an order of which each is equally likely', () => {
    const counts = new Map<string, number>();
    for (let i = 0; i < 6000; i++) {
      const order = permutation(randomKey(9, i), 3).join();
      counts.set(order, (counts.get(order) ?? 0) + 1);
    }
    expect(counts.size).toBe(6);
    for (const count of counts.values()) expect(Math.abs(count - 1000)).toBeLessThan(150);
    expect(permutation(randomKey(1), 0)).toEqual(new Int32Array(0));
  });
});

const mean = (numbers: Float32Array): number => numbers.reduce((sum, x) => sum + x, 0) / numbers.length;
