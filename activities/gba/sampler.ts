import type { GbaParams } from '../../schemas/gba-params.ts';
import type { Completion, Generator } from '../nn/generation/generate.ts';
import type { ModelConfig } from '../nn/models/config.ts';
import type { Session } from '../nn/runtime/session.ts';
import { joinEmbeds } from '../nn/training/image-embeds.ts';
import type { ImageEmbedder } from '../nn/training/image-embeds.ts';
import type { Prompt } from './queries.ts';
import { asksOf, requestOf } from './rollouts.ts';

export interface Sampler {
  /** Completions of each group's prompts, with the adapter as it stands; a pure function of adapter, seed and step. */
  sample(groups: readonly (readonly Prompt[])[], step: number): Promise<Completion[][]>;
  /** Spent so far. */
  seconds(): number;
  tokens(): number;
}

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
  let seconds = 0;
  let tokens = 0;
  return {
    async sample(groups, step) {
      const started = performance.now();
      const asks = asksOf(groups);
      generator.prepare(session);
      const requests = [];
      for (const ask of asks) {
        const { imageTokens, case: question } = ask.prompt;
        const numbers = imageTokens * config.text.hiddenSize;
        const embeds = numbers === 0 ? undefined : await joinEmbeds(embedder, question.images, numbers);
        requests.push(requestOf(ask, step, embeds));
      }
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
