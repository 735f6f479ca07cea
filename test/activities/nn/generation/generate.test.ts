import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { addGenerator } from '../../../../activities/nn/generation/generate.ts';
import type { Completion } from '../../../../activities/nn/generation/completion.ts';
import type { Generator } from '../../../../activities/nn/generation/generate.ts';
import type { GenerationRequest } from '../../../../activities/nn/generation/prompt-feeds.ts';
import { baseVariables } from '../../../../activities/nn/models/parameters.ts';
import { positionIds } from '../../../../activities/nn/models/position-ids.ts';
import { embedTokens, forwardText, logits } from '../../../../activities/nn/models/text.ts';
import { Program } from '../../../../activities/nn/runtime/program.ts';
import type { Session } from '../../../../activities/nn/runtime/session.ts';
import { loadTensorFlow } from '../../../../activities/nn/runtime/tensorflow.ts';
import { expectAllClose } from '../../../_allclose.ts';
import { hasShared } from '../../../_shared.ts';
import { readGolden } from '../models/_golden.ts';
import type { Golden } from '../models/_golden.ts';

const sampling = { maxNewTokens: 24, stopTokens: [], temperature: 0, seed: 1 };

const tokensOf = (completions: readonly Completion[][]): (readonly number[])[] =>
  completions.flat().map(({ tokens }) => tokens);

describe.skipIf(!hasShared)('generation with the golden Qwen2-VL', () => {
  let golden: Golden;
  let session: Session;
  let alone: Generator;
  let grouped: Generator;
  let requests: GenerationRequest[];

  beforeAll(async () => {
    golden = await readGolden('qwen2_vl');
    const { config } = golden;
    requests = await Promise.all(
      golden.cases.map(async ({ name, prompt_ids, images }) => ({
        id: name,
        tokens: prompt_ids,
        positions: positionIds(prompt_ids, await Promise.all(images.map(golden.grid)), config),
        ...(images.length === 0 ? {} : { imageEmbeds: await golden.expected(`${name}.image_embeds`) }),
      })),
    );
    const program = new Program();
    const common = {
      config,
      source: (t: Parameters<typeof baseVariables>[0]) => ({ base: baseVariables(t, config) }),
      maxNewTokens: 70,
      modes: ['greedy', 'sample'],
      suppressed: [609, 610, 611, 612, 613],
    } as const;
    const size = { promptTokens: 80, imageEmbeddings: 30 };
    alone = addGenerator(program, {
      ...common,
      name: 'alone',
      batches: [
        { ...size, prompts: 2, group: 1 },
        { promptTokens: 48, imageEmbeddings: 30, prompts: 2, group: 1 },
      ],
    });
    grouped = addGenerator(program, {
      ...common,
      name: 'grouped',
      batches: [{ ...size, prompts: 3, group: 4 }],
    });
    program.entry('score', (t) => {
      const params = { base: baseVariables(t, config) };
      const embeds = embedTokens(t, params, t.input('ids', [1, 115], 'int32'));
      const hidden = forwardText(t, params, config, {
        embeds,
        positions: t.input('positions', [3, 1, 115], 'int32'),
      });
      return { outputs: { logits: logits(t, params, config, t.reshape(hidden, [115, -1])) } };
    });
    session = await program.load();
    await session.fill('base', golden.weight);
    alone.prepare(session);
    grouped.prepare(session);
  });
  afterAll(() => session?.dispose());

  it('greedy tokens equal those of transformers until the end token, in mixed batches', async () => {
    const found = await alone.generate(session, requests, sampling);
    for (const [i, { greedy_ids }] of golden.cases.entries()) {
      const end = greedy_ids.indexOf(golden.endToken);
      const count = end < 0 ? greedy_ids.length : end;
      expect(found[i]?.[0]?.tokens.slice(0, count)).toEqual(greedy_ids.slice(0, count));
      expect(found[i]?.[0]?.finishReason).toBe('length');
    }
    expect(
      tokensOf(await grouped.generate(session, requests, sampling)).filter((_, i) => i % 4 === 3),
    ).toEqual(tokensOf(found));
  });

  it('ends a row with its stop token and a batch when all rows have ended', async () => {
    const stop = golden.cases[0]?.greedy_ids[4] ?? -1;
    const [[first] = []] = await alone.generate(session, requests.slice(0, 1), {
      ...sampling,
      stopTokens: [stop],
    });
    expect(first?.tokens).toEqual(golden.cases[0]?.greedy_ids.slice(0, 5));
    expect(first?.finishReason).toBe('stop');
  });

  it('draws by seed, request and row of the group, whatever the batch', async () => {
    const drawn = { ...sampling, temperature: 1, seed: 5 };
    const all = await grouped.generate(session, requests, drawn);
    expect(tokensOf(all)).toEqual(tokensOf(await grouped.generate(session, requests, drawn)));
    expect(tokensOf(all)).not.toEqual(
      tokensOf(await grouped.generate(session, requests, { ...drawn, seed: 6 })),
    );
    expect(new Set(tokensOf(all).map((tokens) => tokens.join())).size).toBe(12);
    const [, , last] = requests;
    if (last === undefined) throw new Error('no request');
    expect(tokensOf(await grouped.generate(session, [last], drawn))).toEqual(tokensOf(all).slice(8));
    expect(tokensOf(await alone.generate(session, [last], drawn))).toEqual(tokensOf(all).slice(8, 9));
  });

  it('goes on in smaller batches when prompts have ended, with the same tokens', async () => {
    const whole = await grouped.generate(session, requests, sampling);
    const stopTokens = [whole[0]?.[0]?.tokens[2] ?? -1, whole[1]?.[0]?.tokens[5] ?? -1];
    const entered = vi.spyOn(session, 'run');
    const found = await grouped.generate(session, requests, { ...sampling, stopTokens });
    const stages = entered.mock.calls.map(([entry]) => entry).filter((entry) => entry.endsWith('/enter'));
    entered.mockRestore();
    expect(stages).toHaveLength(1);
    for (const [i, tokens] of tokensOf(found).entries()) {
      const all = tokensOf(whole)[i] ?? [];
      const end = all.findIndex((token) => stopTokens.includes(token));
      expect(tokens).toEqual(end < 0 ? all : all.slice(0, end + 1));
    }
  });

  it('never draws a suppressed token', async () => {
    const found = await grouped.generate(session, requests, {
      ...sampling,
      temperature: 50,
      maxNewTokens: 64,
    });
    const suppressed = tokensOf(found)
      .flat()
      .filter((token) => token >= 609);
    expect(suppressed).toEqual([]);
  });

  it('reports the log-probabilities that a forward pass gives, across chunks of the cache', async () => {
    const [request] = requests;
    if (request === undefined) throw new Error('no request');
    const T = request.tokens.length;
    const found = await grouped.generate(session, [request], {
      ...sampling,
      temperature: 0.8,
      maxNewTokens: 70,
    });
    const V = golden.config.text.vocabSize;
    for (const { tokens, logps } of found[0] ?? []) {
      const ids = Int32Array.from([...Array.from(request.tokens), ...tokens]);
      const positions = Int32Array.from({ length: 3 * ids.length }, (_, i) => i % ids.length);
      const scores = session.run('score', { ids, positions })['logits'];
      const expected = tokens.map((token, i) => {
        const row = Array.from(scores?.slice((T - 1 + i) * V, (T + i) * V) ?? [], (x) => x / 0.8);
        const top = Math.max(...row);
        return (row[token] ?? 0) - top - Math.log(row.reduce((sum, x) => sum + Math.exp(x - top), 0));
      });
      expectAllClose(logps, expected, { rtol: 0, atol: 3e-4 }, 'logps');
    }
  });

  it('draws tokens as often as their probability says', async () => {
    const [request] = requests;
    if (request === undefined) throw new Error('no request');
    const draws = Array.from({ length: 300 }, (_, i) => ({ ...request, id: `draw ${i}` }));
    const found = await grouped.generate(session, draws, { ...sampling, temperature: 3, maxNewTokens: 1 });
    const drawn = found
      .flat()
      .flatMap(({ tokens, logps }) => tokens.map((token, i) => [token, Math.exp(logps[i] ?? 0)] as const));
    const [token, p] = drawn.reduce((best, next) => (next[1] > best[1] ? next : best));
    const share = drawn.filter(([other]) => other === token).length / drawn.length;
    // Four standard deviations of a share of 1,200 draws.
    expect(Math.abs(share - p)).toBeLessThan(4 * Math.sqrt((p * (1 - p)) / drawn.length));
  });

  it('frees every tensor', async () => {
    const binding = (loadTensorFlow().backend() as unknown as { binding: { getNumOfTensors(): number } })
      .binding;
    await alone.generate(session, requests, sampling);
    const before = binding.getNumOfTensors();
    for (let i = 0; i < 9; i++) await alone.generate(session, requests, sampling);
    expect(binding.getNumOfTensors()).toBe(before);
  });

  it('refuses what it has no room for', async () => {
    const [request] = requests;
    if (request === undefined) throw new Error('no request');
    const long = { ...request, tokens: Array.from({ length: 81 }, () => 1) };
    await expect(alone.generate(session, [long], sampling)).rejects.toThrow(
      'a prompt of 81 tokens, the generator has room for 80',
    );
    const [, shown] = requests;
    if (shown === undefined) throw new Error('no request');
    const cut = { ...shown, imageEmbeds: () => Promise.resolve(new Float32Array(5 * 64)) };
    await expect(alone.generate(session, [cut], sampling)).rejects.toThrow(
      'prompt image: 6 image tokens, 5 embeddings',
    );
    const many = { ...shown, imageEmbeds: new Float32Array(31 * 64) };
    await expect(alone.generate(session, [many], sampling)).rejects.toThrow('more than 30 image embeddings');
    await expect(alone.generate(session, [request], { ...sampling, maxNewTokens: 71 })).rejects.toThrow(
      'room for 70',
    );
  });
});
