import { afterAll, beforeAll, describe, it } from 'vitest';
import { causalAttention } from '../../../../activities/nn/models/attention.ts';
import { normal, randomKey } from '../../../../activities/nn/random.ts';
import { Program } from '../../../../activities/nn/runtime/program.ts';
import type { Session } from '../../../../activities/nn/runtime/session.ts';
import { expectAllClose } from '../../../_allclose.ts';

const [B, H, KV, D] = [2, 4, 2, 8];

describe('causal attention', () => {
  let session: Session;
  const lengths = [5, 300];
  beforeAll(async () => {
    const program = new Program();
    for (const T of lengths)
      program.entry(`attend/${T}`, (t) => {
        const [q, k, v] = [
          t.input('q', [B, T, H, D]),
          t.input('k', [B, T, KV, D]),
          t.input('v', [B, T, KV, D]),
        ];
        return { outputs: { context: causalAttention(t, { q, k, v }) } };
      });
    session = await program.load();
  });
  afterAll(() => session?.dispose());

  it.each(lengths)('over %i tokens is what its formula says, in blocks of queries too', (T) => {
    const draw = (name: string, heads: number): Float32Array => normal(randomKey(1, name), B * T * heads * D);
    const [q, k, v] = [draw('q', H), draw('k', KV), draw('v', KV)];
    const { context } = session.run(`attend/${T}`, { q, k, v });
    const expected = new Float32Array(B * T * H * D);
    for (let b = 0; b < B; b++)
      for (let i = 0; i < T; i++)
        for (let h = 0; h < H; h++) {
          const own = (x: Float32Array, at: number, head: number, heads: number): Float32Array =>
            x.subarray(((b * T + at) * heads + head) * D, ((b * T + at) * heads + head + 1) * D);
          const shared = Math.floor(h / (H / KV));
          const query = own(q, i, h, H);
          const odds = Array.from({ length: i + 1 }, (_, j) =>
            Math.exp(
              own(k, j, shared, KV).reduce((sum, x, d) => sum + x * (query[d] ?? 0), 0) / Math.sqrt(D),
            ),
          );
          const total = odds.reduce((sum, x) => sum + x, 0);
          for (const [j, odd] of odds.entries())
            for (const [d, x] of own(v, j, shared, KV).entries())
              expected[((b * T + i) * H + h) * D + d]! += (odd / total) * x;
        }
    expectAllClose(context ?? [], expected, { rtol: 1e-5, atol: 1e-5 }, 'context');
  });
});
