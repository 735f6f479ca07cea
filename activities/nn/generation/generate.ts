import type { ModelConfig } from '../models/config.ts';
import type { Parameters } from '../linear.ts';
import type { Trace } from '../ops/trace.ts';
import type { Program } from '../runtime/program.ts';
import type { Session } from '../runtime/session.ts';
import { longestFirst } from './batches.ts';
import { addBatchEntries } from './entries.ts';
import type { BatchEntries, BatchSizes } from './entries.ts';
import { completeBatch } from './complete-batch.ts';
import type { Completion, SamplingOptions } from './completion.ts';
import { GenerationLimit } from './prompt-feeds.ts';
import type { GenerationRequest } from './prompt-feeds.ts';
import { addDecodingWeights } from './weights.ts';

export interface GeneratorOptions {
  readonly name: string;
  readonly config: ModelConfig;
  /** Weights and adapter to generate with, as the program's variables hold them. */
  readonly source: (t: Trace) => Parameters;
  /** Batch shapes, of all modes or of one; a batch of requests takes the one of fewest prompt tokens that it fits. */
  readonly batches: readonly (BatchSizes & { readonly mode?: 'greedy' | 'sample' })[];
  readonly maxNewTokens: number;
  readonly modes: readonly ('greedy' | 'sample')[];
  readonly suppressed: readonly number[];
}

/** New tokens that share a part of the cache: what is read of a part is all of it, what is behind it is not. */
const chunkTokens = 64;

/** Completes prompts with entry points that were added to a program; weights are read anew after `prepare`, an adapter after `adapt`. */
export interface Generator {
  /** Copies weights and adapter; due before the first batch and whenever weights have changed. */
  prepare(session: Session): void;
  /** Takes the adapter as it stands, of a generator that is prepared; due when it alone has changed. */
  adapt(session: Session): void;
  /** `group` completions of each request, in order. */
  generate(
    session: Session,
    requests: readonly GenerationRequest[],
    sampling: SamplingOptions,
    ledger?: BatchLedger,
  ): Promise<Completion[][]>;
}

/** Follows a generation batch by batch, so that it can be taken up where it was left: batches are cut the same way each time. */
export interface BatchLedger {
  /** Completions of a request that were made before. A batch is passed over if those of all its requests are known. */
  known?(request: number): readonly Completion[] | undefined;
  /** Told of each batch that was made: its requests, and how many requests are completed by now. */
  made?(requests: ReadonlyMap<number, readonly Completion[]>, completed: number): void | Promise<void>;
}

export function addGenerator(program: Program, options: GeneratorOptions): Generator {
  const weights = addDecodingWeights(program, options.name, options.config, options.source);
  const chunk = Math.min(chunkTokens, options.maxNewTokens);
  const entries = options.modes.flatMap((mode) =>
    options.batches
      .filter((sizes) => (sizes.mode ?? mode) === mode)
      .map((sizes) => ({
        mode,
        entries: addBatchEntries(program, {
          name: options.name,
          config: options.config,
          source: options.source,
          decoding: weights.read,
          sizes,
          chunk,
          chunks: Math.ceil(options.maxNewTokens / chunk),
          mode,
          suppressed: options.suppressed,
        }),
      })),
  );
  return {
    prepare: (session) => {
      if (weights.prepareEntry !== undefined) session.run(weights.prepareEntry);
    },
    adapt: (session) => {
      if (weights.adaptEntry !== undefined) session.run(weights.adaptEntry);
    },
    generate: async (session, requests, sampling, ledger) => {
      if (sampling.maxNewTokens > options.maxNewTokens)
        throw new GenerationLimit(
          `${sampling.maxNewTokens} new tokens asked for, the generator has room for ${options.maxNewTokens}`,
        );
      const mode = sampling.temperature === 0 ? 'greedy' : 'sample';
      const shapes = entries.filter((entry) => entry.mode === mode).map((entry) => entry.entries);
      if (shapes.length === 0)
        throw new GenerationLimit(`the generator was declared without the mode "${mode}"`);
      const completions: Completion[][] = requests.map(() => []);
      const order = longestFirst(requests.map(({ tokens }) => tokens.length));
      while (order.length > 0) {
        const shape = smallestFitting(shapes, requests, order);
        const members = order.splice(0, shape.sizes.prompts);
        const known = members.map((i) => ledger?.known?.(i));
        if (known.every((found) => found !== undefined)) {
          for (const [at, i] of members.entries()) completions[i] = [...(known[at] ?? [])];
          continue;
        }
        const batch = members.flatMap((i) => requests[i] ?? []);
        const found = await completeBatch(session, options.config, shape, chunk, batch, sampling);
        for (const [at, i] of members.entries()) completions[i] = found[at] ?? [];
        const made = new Map(members.map((i) => [i, completions[i] ?? []]));
        await ledger?.made?.(made, requests.length - order.length);
      }
      return completions;
    },
  };
}

const lengthOf = (requests: readonly GenerationRequest[], i: number): number =>
  requests[i]?.tokens.length ?? 0;

/** The shape of fewest prompt tokens for the longest of the waiting requests, which come first. */
function smallestFitting(
  shapes: readonly BatchEntries[],
  requests: readonly GenerationRequest[],
  order: readonly number[],
): BatchEntries {
  const longest = lengthOf(requests, order[0] ?? 0);
  const fitting = shapes
    .filter(({ sizes }) => sizes.promptTokens >= longest)
    .sort((a, b) => a.sizes.promptTokens - b.sizes.promptTokens || a.sizes.prompts - b.sizes.prompts);
  const [smallest] = fitting;
  if (smallest === undefined)
    throw new GenerationLimit(
      `a prompt of ${longest} tokens, the generator has room for ${Math.max(...shapes.map(({ sizes }) => sizes.promptTokens))}`,
    );
  const tightest = fitting.filter(({ sizes }) => sizes.promptTokens === smallest.sizes.promptTokens);
  return tightest.find(({ sizes }) => sizes.prompts >= order.length) ?? tightest.at(-1) ?? smallest;
}
