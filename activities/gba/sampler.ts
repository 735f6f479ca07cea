import type { GbaParams } from '../../schemas/gba-params.ts';
import type { Completion } from '../nn/generation/completion.ts';
import type { Generator } from '../nn/generation/generate.ts';
import type { ModelConfig } from '../nn/models/config.ts';
import type { Session } from '../nn/runtime/session.ts';
import { joinEmbeds } from '../nn/training/image-embeds.ts';
import type { ImageEmbedder } from '../nn/training/image-embeds.ts';
import type { Prompt } from './queries.ts';
import { asksOf, requestOf } from './rollouts.ts';

export interface Sampler {
  /** Completions of each group's prompts, with the adapter as it stands; a pure function of adapter, seed and step. */
  sample(groups: readonly (readonly Prompt[])[], step: number): Promise<Completion[][]>;
  /** One completion of each prompt, greedily. Throws `signal.reason` between batches once it is aborted. */
  answer(prompts: readonly Prompt[], signal: AbortSignal): Promise<Completion[]>;
  /** Spent on sampling so far. */
  seconds(): number;
  tokens(): number;
}

/** Prepares the generator: the session's weights must be there. */
export const createSampler = (
  generator: Generator,
  session: Session,
  embedder: ImageEmbedder,
  job: {
    readonly config: ModelConfig;
    readonly params: Pick<GbaParams, 'maxNewTokens' | 'temperature' | 'seed'>;
    readonly stopTokens: readonly number[];
  },
): Sampler => {
  const { config, params, stopTokens } = job;
  generator.prepare(session);
  let seconds = 0;
  let tokens = 0;
  const embedsOf = async ({ imageTokens, case: question }: Prompt): Promise<Float32Array | undefined> =>
    imageTokens === 0
      ? undefined
      : joinEmbeds(embedder, question.images, imageTokens * config.text.hiddenSize);
  return {
    async answer(prompts, signal) {
      generator.adapt(session);
      const requests = [];
      for (const [group, prompt] of prompts.entries())
        requests.push(requestOf({ prompt, group, places: [0] }, 0, await embedsOf(prompt)));
      const found = await generator.generate(
        session,
        requests,
        { maxNewTokens: params.maxNewTokens, stopTokens, temperature: 0, seed: 0 },
        { made: () => signal.throwIfAborted() },
      );
      return found.map(([completion], i) => {
        if (completion === undefined) throw new RangeError(`request ${i} has no completion`);
        return completion;
      });
    },
    async sample(groups, step) {
      const started = performance.now();
      const asks = asksOf(groups);
      generator.adapt(session);
      const requests = [];
      for (const ask of asks) requests.push(requestOf(ask, step, await embedsOf(ask.prompt)));
      const { maxNewTokens, temperature, seed } = params;
      const found = await generator.generate(session, requests, {
        maxNewTokens,
        stopTokens,
        temperature,
        seed,
      });
      const completions: Completion[][] = groups.map(() => []);
      for (const [a, { group, places }] of asks.entries())
        for (const [k, place] of places.entries()) {
          const completion = found[a]?.[k];
          if (completion === undefined) throw new RangeError(`request ${a} has no completion ${k}`);
          completions[group]![place] = completion;
          tokens += completion.tokens.length;
        }
      seconds += (performance.now() - started) / 1000;
      return completions;
    },
    seconds: () => seconds,
    tokens: () => tokens,
  };
};
