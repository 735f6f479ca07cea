import { describe, expect, it } from 'vitest';
import { addGenerator } from '../../../../activities/nn/generation/generate.ts';
import { parseModelConfig } from '../../../../activities/nn/models/config.ts';
import { baseVariables } from '../../../../activities/nn/models/parameters.ts';
import { positionIds } from '../../../../activities/nn/models/position-ids.ts';
import { embedTokens, forwardText, logits } from '../../../../activities/nn/models/text.ts';
import type { Trace } from '../../../../activities/nn/ops/trace.ts';
import { normal, randomKey } from '../../../../activities/nn/random.ts';
import { Program } from '../../../../activities/nn/runtime/program.ts';
import { expectAllClose } from '../../../_allclose.ts';
import { tinyConfig } from '../checkpoint/_tiny-model.ts';

/** A random model of 2 layers and 2 key heads that serve 2 query heads each, whose matrices are whole numbers of tiles. */
const modelOf = (headDim: number, sections: readonly number[]) =>
  parseModelConfig({
    ...tinyConfig(true),
    vocab_size: 96,
    hidden_size: 64,
    intermediate_size: 96,
    num_hidden_layers: 2,
    num_attention_heads: 4,
    num_key_value_heads: 2,
    head_dim: headDim,
    rope_scaling: { type: 'mrope', mrope_section: sections },
    vision_config: { ...tinyConfig(true).vision_config, hidden_size: 64 },
  });

const V = 96;
/** More than one chunk of the cache. */
const newTokens = 67;
const lengths = [7, 5, 6];
const [T, L] = [Math.max(...lengths), Math.max(...lengths) + newTokens];

describe.each([
  ['that move as rows', 48, [8, 8, 8]],
  ['of two tiles', 64, [16, 8, 8]],
  ['of four tiles', 128, [16, 24, 24]],
] as const)('tokens decoded with heads %s', (_, headDim, sections) => {
  it.each([
    ['one prompt', 1, 3, 2],
    ['three prompts', 3, 2, 2],
    ['three prompts in one lane', 3, 2, 1],
  ] as const)('have the log-probabilities of a forward pass, of %s', async (_name, prompts, group, lanes) => {
    const config = modelOf(headDim, sections);
    const program = new Program(lanes);
    const base = (t: Trace) => ({ base: baseVariables(t, config) });
    const generator = addGenerator(program, {
      name: 'tested',
      config,
      source: base,
      batches: [{ prompts, group, promptTokens: T, imageEmbeddings: 0 }],
      maxNewTokens: newTokens,
      modes: ['sample'],
      suppressed: [],
    });
    program.entry('score', (t) => {
      const embeds = embedTokens(t, base(t), t.input('ids', [1, L], 'int32'));
      const hidden = forwardText(t, base(t), config, {
        embeds,
        positions: t.input('positions', [3, 1, L], 'int32'),
      });
      return { outputs: { logits: logits(t, base(t), config, t.reshape(hidden, [L, -1])) } };
    });
    const session = await program.load();
    const sizes = new Map(session.variables.map(({ name, shape }) => [name, shape]));
    await session.fill('base', (name) => {
      const size = sizes.get(`base/${name}`)!.reduce((n, x) => n * x, 1);
      return normal(randomKey(11, name), size).map((x) => (name.includes('norm') ? 1 + 0.1 * x : 0.15 * x));
    });
    generator.prepare(session);
    const requests = lengths.slice(0, prompts).map((length, i) => {
      const tokens = Array.from({ length }, (_token, j) => (5 * i + j) % 7);
      return { id: `${i}`, tokens, positions: positionIds(tokens, [], config) };
    });
    const sampling = { maxNewTokens: newTokens, stopTokens: [], temperature: 1, seed: 2 };
    const found = await generator.generate(session, requests, sampling);
    for (const [i, completions] of found.entries()) {
      const prompt = requests[i]!.tokens;
      expect(completions).toHaveLength(group);
      for (const { tokens, logps } of completions) {
        const ids = new Int32Array(L);
        ids.set([...prompt, ...tokens]);
        const positions = Int32Array.from({ length: 3 * L }, (_place, j) => j % L);
        const scores = session.run('score', { ids, positions })['logits']!;
        const expected = tokens.map((token, j) => {
          const at = (prompt.length - 1 + j) * V;
          const row = Array.from(scores.slice(at, at + V));
          return row[token]! - Math.log(row.reduce((sum, x) => sum + Math.exp(x), 0));
        });
        expectAllClose(logps, expected, { rtol: 0, atol: 1e-4 }, 'logps');
      }
    }
    session.dispose();
  });
});
