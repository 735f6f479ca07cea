import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { addGenerator } from '../../../../activities/nn/generation/generate.ts';
import type { Generator } from '../../../../activities/nn/generation/generate.ts';
import type { GenerationRequest } from '../../../../activities/nn/generation/prompt-feeds.ts';
import type { Parameters } from '../../../../activities/nn/linear.ts';
import type { ModelConfig } from '../../../../activities/nn/models/config.ts';
import { baseVariables, textLinears } from '../../../../activities/nn/models/parameters.ts';
import { positionIds } from '../../../../activities/nn/models/position-ids.ts';
import { embedTokens, forwardText, logits } from '../../../../activities/nn/models/text.ts';
import type { Trace } from '../../../../activities/nn/ops/trace.ts';
import { normal, randomKey } from '../../../../activities/nn/random.ts';
import { Program } from '../../../../activities/nn/runtime/program.ts';
import type { Session } from '../../../../activities/nn/runtime/session.ts';
import { expectAllClose } from '../../../_allclose.ts';
import { hasShared } from '../../../_shared.ts';
import { readGolden } from '../models/_golden.ts';
import type { Golden } from '../models/_golden.ts';

const newTokens = 5;

/** An adapter on some modules of each group that decoding reads as one, of several ranks. */
const adapted = (config: ModelConfig) =>
  textLinears(config.text).flatMap(({ module, inputs, outputs }, i) =>
    /k_proj$|gate_proj$/.test(module) ? [] : [{ module, inputs, outputs, rank: 1 + (i % 3) }],
  );

const parameters = (t: Trace, config: ModelConfig): Parameters => ({
  base: baseVariables(t, config),
  lora: Object.fromEntries(
    adapted(config).map(({ module, inputs, outputs, rank }) => [
      module,
      {
        a: t.variable(`adapter/${module}.A`, [rank, inputs]),
        b: t.variable(`adapter/${module}.B`, [outputs, rank]),
        scale: 0.5,
      },
    ]),
  ),
});

describe.skipIf(!hasShared).each(['qwen2_vl', 'qwen2_5_vl'] as const)(
  'decoding weights of the golden %s',
  (family) => {
    let golden: Golden;
    let session: Session;
    let generator: Generator;
    let request: GenerationRequest;
    let T: number;

    beforeAll(async () => {
      golden = await readGolden(family);
      const { config } = golden;
      const tokens = golden.cases.find(({ images }) => images.length === 0)!.prompt_ids;
      T = tokens.length;
      request = { id: 'text', tokens, positions: positionIds(tokens, [], config) };
      const program = new Program();
      generator = addGenerator(program, {
        name: 'adapted',
        config,
        source: (t) => parameters(t, config),
        batches: [{ prompts: 1, group: 2, promptTokens: T, imageEmbeddings: 0 }],
        maxNewTokens: newTokens,
        modes: ['sample'],
        suppressed: [],
      });
      const L = T + newTokens;
      program.entry('score', (t) => {
        const params = parameters(t, config);
        const embeds = embedTokens(t, params, t.input('ids', [1, L], 'int32'));
        const positions = t.input('positions', [3, 1, L], 'int32');
        const hidden = forwardText(t, params, config, { embeds, positions });
        return { outputs: { logits: logits(t, params, config, t.reshape(hidden, [L, -1])) } };
      });
      session = await program.load();
      await session.fill('base', golden.weight);
    });
    afterAll(() => session?.dispose());

    /** Log-probabilities of sampled tokens, and what a forward pass with base and adapter apart gives for them. */
    const compared = async (): Promise<[logps: number[], expected: number[]]> => {
      const sampling = { maxNewTokens: newTokens, stopTokens: [], temperature: 1, seed: 3 };
      const [found = []] = await generator.generate(session, [request], sampling);
      const V = golden.config.text.vocabSize;
      const expected = found.flatMap(({ tokens }) => {
        const ids = Int32Array.from([...Array.from(request.tokens), ...tokens]);
        const positions = Int32Array.from({ length: 3 * ids.length }, (_, i) => i % ids.length);
        const scores = session.run('score', { ids, positions })['logits']!;
        return tokens.map((token, i) => {
          const row = Array.from(scores.slice((T - 1 + i) * V, (T + i) * V));
          const top = Math.max(...row);
          return row[token]! - top - Math.log(row.reduce((sum, x) => sum + Math.exp(x - top), 0));
        });
      });
      return [found.flatMap(({ logps }) => logps), expected];
    };

    const fillAdapter = (seed: number): Promise<void> =>
      session.fill('adapter', (key) => {
        const { rank, inputs, outputs } = adapted(golden.config).find(({ module }) =>
          key.startsWith(`${module}.`),
        )!;
        const size = rank * (key.endsWith('A') ? inputs : outputs);
        return normal(randomKey(seed, key), size).map((x) => 0.3 * x);
      });

    it('are base and adapter, and take an adapter that has changed', async () => {
      await fillAdapter(1);
      generator.prepare(session);
      const [first, expectedFirst] = await compared();
      expectAllClose(first, expectedFirst, { rtol: 0, atol: 1e-3 }, 'logps');

      await fillAdapter(2);
      const [stale, changed] = await compared();
      expect(Math.max(...stale.map((logp, i) => Math.abs(logp - changed[i]!)))).toBeGreaterThan(0.05);

      generator.adapt(session);
      const [second, expectedSecond] = await compared();
      expectAllClose(second, expectedSecond, { rtol: 0, atol: 1e-3 }, 'logps');

      // What stood there before is gone, not added to.
      generator.prepare(session);
      expect((await compared())[0]).toEqual(second);
    });
  },
);
