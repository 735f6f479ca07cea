import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { drop, lowRank } from '../../../activities/nn/lora.ts';
import { Trace } from '../../../activities/nn/ops/trace.ts';
import { normal, philox, randomKey } from '../../../activities/nn/random.ts';
import type { RandomKey } from '../../../activities/nn/random.ts';
import { Program } from '../../../activities/nn/runtime/program.ts';
import type { Session } from '../../../activities/nn/runtime/session.ts';
import { expectAllClose } from '../../_allclose.ts';
import { gradients } from './ops/_numeric.ts';

const rate = 0.3;
const [M, K, R, N] = [37, 53, 4, 6];
const feedOf = (key: RandomKey): Int32Array => Int32Array.from(key);
const key = randomKey(7, 'dropout', 0, 0);
const ones = new Float32Array(M * K).fill(1);

describe('dropout', () => {
  let session: Session;
  beforeAll(async () => {
    const program = new Program();
    program.entry('uniform', (t) => {
      const k = t.input('key', [2], 'int32');
      return { outputs: { u: t.uniform(k, 3, [M, K]) } };
    });
    for (const [stream, lane] of [
      [0, 0],
      [0, 1],
      [1, 0],
    ] as const)
      program.entry(`drop/${stream}.${lane}`, (t) => {
        const k = t.input('key', [2], 'int32');
        return { outputs: { y: drop(t, { rate, key: k, stream }, t.input('x', [M, K]), lane) } };
      });
    program.entry('update', (t) => {
      const pair = { a: t.input('a', [R, K]), b: t.input('b', [N, R]), scale: 2 };
      const dropout = { rate, key: t.input('key', [2], 'int32'), stream: 1 };
      const x = t.input('x', [M, K]);
      return {
        outputs: {
          y: lowRank(t, { ...pair, dropout }, x),
          want: lowRank(t, pair, drop(t, dropout, x)),
        },
      };
    });
    session = await program.load();
  });
  afterAll(() => session.dispose());

  const dropped = (k: RandomKey, stream = '0.0', x = ones): Float32Array =>
    session.run(`drop/${stream}`, { key: feedOf(k), x })['y'] as Float32Array;

  it('draws TensorFlow’s numbers as the project’s own generator makes them', () => {
    const drawn = session.run('uniform', { key: feedOf(key) })['u'] as Float32Array;
    const own = Float32Array.from({ length: M * K }, (_, i) => {
      const word = philox([Math.floor(i / 4), 0, 3, 0], key)[i % 4] ?? 0;
      return (word & 0x7fffff) / 2 ** 23;
    });
    expect(drawn).toEqual(own);
  });

  it('zeroes the share that was asked for and keeps the mean', () => {
    const y = dropped(key);
    const kept = y.filter((value) => value !== 0);
    expect(Math.abs(1 - kept.length / y.length - rate)).toBeLessThan(3 * Math.sqrt((rate * 0.7) / y.length));
    expectAllClose(kept, new Float32Array(kept.length).fill(1 / (1 - rate)), { rtol: 1e-6, atol: 0 });
  });

  it('is a function of key, stream and lane, each of which gives another mask', () => {
    expect(dropped(key)).toEqual(dropped(key));
    const other = randomKey(7, 'dropout', 1, 0);
    const masks = [dropped(key), dropped(key, '0.1'), dropped(key, '1.0'), dropped(other)];
    for (const [i, a] of masks.entries())
      for (const b of masks.slice(i + 1)) {
        const equal = a.filter((value, at) => (value === 0) === (b[at] === 0)).length / a.length;
        expect(Math.abs(equal - (rate ** 2 + (1 - rate) ** 2))).toBeLessThan(0.04);
      }
  });

  it('acts on what A reads alone', () => {
    const [a, b] = [normal(randomKey(1), R * K), normal(randomKey(2), N * R)];
    const { y, want } = session.run('update', { key: feedOf(key), x: normal(randomKey(3), M * K), a, b });
    expect(y).toEqual(want);
    expect(Math.max(...y!)).toBeGreaterThan(1);
  });

  it('has the gradient of its mask', async () => {
    const [found] = await gradients([
      {
        name: 'drop',
        shapes: [[4, 6]],
        f: (t, x) => t.square(drop(t, { rate: 0.5, key: t.ints([...feedOf(key)]), stream: 2 }, x)),
      },
    ]);
    expectAllClose(found!.analytic, found!.numeric, { rtol: 1e-2, atol: 1e-2 });
    const zeros = found!.analytic.filter((g) => g === 0).length;
    expect(zeros).toBeGreaterThan(4);
    expect(zeros).toBeLessThan(20);
  });

  it('refuses a key that is none', () => {
    const t = new Trace();
    expect(() => t.uniform(t.ints([1]), 0, [2])).toThrow('the key is int32 [1], not int32 [2]');
  });
});
