import type { Parameters } from '../linear.ts';
import { causalAttention } from '../models/attention.ts';
import type { Heads } from '../models/attention.ts';
import type { ModelConfig } from '../models/config.ts';
import { multimodalRotation } from '../models/rope.ts';
import { attentionOf, embedTokens, logits, textLayers } from '../models/text.ts';
import type { Attend, Attention } from '../models/text.ts';
import type { Node, Value } from '../ops/node.ts';
import type { Trace } from '../ops/trace.ts';
import type { Program } from '../runtime/program.ts';
import { cachedAttention } from './cached-attention.ts';
import { beginCaches, joinsFirstChunk, keepCaches, stepCaches } from './caches.ts';
import type { CacheSizes } from './caches.ts';
import { lastTokens } from './last-tokens.ts';
import { newHeads } from './new-heads.ts';
import { greedy, sample } from './sampler.ts';

/** Static sizes of a batch: P prompts of at most T tokens, G completions of each, M image embeddings in all. */
export interface BatchSizes {
  readonly prompts: number;
  readonly group: number;
  readonly promptTokens: number;
  readonly imageEmbeddings: number;
}

export interface EntryOptions {
  /** Begins the names of entry points and variables. */
  readonly name: string;
  readonly config: ModelConfig;
  /** Weights for prompts, and for the tokens behind them. */
  readonly source: (t: Trace) => Parameters;
  readonly decoding: (t: Trace) => Parameters;
  readonly sizes: BatchSizes;
  /** Places for new tokens in one chunk of the cache, and chunks. */
  readonly chunk: number;
  readonly chunks: number;
  readonly mode: 'greedy' | 'sample';
  readonly suppressed: readonly number[];
}

/** Names of the entry points of one batch shape. */
export interface BatchEntries {
  readonly sizes: BatchSizes;
  readonly prefill: string;
  readonly stages: readonly [Stage, ...Stage[]];
}

/** A batch as it is decoded until so many of its prompts have ended that the others go on in a smaller one. */
export interface Stage {
  readonly prompts: number;
  /** Takes the caches of prompts `kept` [prompts], counted by their places before, from the stage before; the first has none. */
  readonly enter?: string;
  /** One for each number of chunks in use. */
  readonly decode: readonly string[];
}

/** Rows below which a smaller batch is hardly faster: reading the weights takes the time. */
const fewestRows = 8;

/** Stages of a batch at most; each has graphs and caches of its own. */
const mostStages = 3;

/** Numbers of prompts that a batch is decoded with, each half of the one before. */
export function stageSizes({ prompts, group }: Pick<BatchSizes, 'prompts' | 'group'>): [number, ...number[]] {
  const sizes: [number, ...number[]] = [prompts];
  for (let last = prompts; sizes.length < mostStages && last > 1 && last * group > fewestRows;) {
    last = Math.ceil(last / 2);
    sizes.push(last);
  }
  return sizes;
}

/** Never compiled by XLA: where a slice is written is a constant to it, so that each new token would be compiled for anew. */
export const asTraced = { compile: false };

/**
 * Adds the entry points that complete a batch of prompts: `prefill` computes the prompts' keys and values and draws the first
 * tokens, `decode` draws one more for every row. Keys and values stay in variables: those of prompts are written once and shared
 * by a prompt's rows, those of new tokens are written in place into chunks of few tokens. `enter` copies those of prompts that have
 * not ended into the variables of a smaller batch.
 */
export function addBatchEntries(program: Program, options: EntryOptions): BatchEntries {
  const { prompts: P, group, promptTokens: T, imageEmbeddings: M } = options.sizes;
  const caches: CacheSizes = {
    name: `${options.name}/${P}x${group}x${T}.${M}`,
    config: options.config.text,
    prompts: P,
    group,
    promptTokens: T,
    chunk: options.chunk,
    chunks: options.chunks,
    joined: joinsFirstChunk(options.config.text, options.sizes, options.chunk),
  };
  const name = `${caches.name}/${options.mode}`;
  program.entry(`${name}/prefill`, (t) => prefill(t, options, caches), asTraced);
  let before = caches;
  const [first, ...rest] = stageSizes(options.sizes).map((prompts, index): Stage => {
    const stage = `${name}/${prompts}`;
    const from = before;
    const own = index === 0 ? caches : { ...caches, prompts, name: `${caches.name}/${prompts}` };
    const enter = `${stage}/enter`;
    if (index > 0) program.entry(enter, (t) => enterStage(t, from, own), asTraced);
    before = own;
    const decode = Array.from({ length: options.chunks }, (_, i) => `${stage}/decode-${i + 1}`);
    for (const [i, entry] of decode.entries())
      program.entry(entry, (t) => decodeStep(t, options, own, i + 1), asTraced);
    return index === 0 ? { prompts, decode } : { prompts, enter, decode };
  });
  return { sizes: options.sizes, prefill: `${name}/prefill`, stages: [first!, ...rest] };
}

function enterStage(t: Trace, from: CacheSizes, to: CacheSizes): { outputs: Record<string, Value> } {
  const writes = keepCaches(t, from, to, t.input('kept', [to.prompts], 'int32'));
  return { outputs: { done: t.after(writes, t.scalar(1, 'int32')) } };
}

function prefill(t: Trace, options: EntryOptions, caches: CacheSizes): { outputs: Record<string, Value> } {
  const { config, sizes } = options;
  const { prompts: P, group: G, promptTokens: T, imageEmbeddings: M } = sizes;
  const params = options.source(t);
  const ids = t.input('ids', [P, T], 'int32');
  const images =
    M === 0
      ? undefined
      : { embeds: t.input('embeds', [M, config.text.hiddenSize]), index: t.input('index', [P, T], 'int32') };
  const writes: Node[] = [];
  const keep = (layer: number, heads: Pick<Heads, 'k' | 'v'>): void =>
    void writes.push(...beginCaches(t, caches, layer, heads));
  const attend: Attend = (layer, heads) => {
    keep(layer, heads);
    return causalAttention(t, heads);
  };
  const rotation = multimodalRotation(t, config.text, t.input('positions', [3, P, T], 'int32'));
  const last = textLayers(
    t,
    params,
    config.text,
    embedTokens(t, params, ids, images),
    attentionOf(t, params, config.text, rotation, attend),
    lastTokens(t, params, config.text, rotation, t.input('last', [P], 'int32'), keep),
  ); // [P, D]
  const scores = logits(t, params, config, last);
  const rows =
    G === 1 ? scores : t.gather(scores, t.ints(Array.from({ length: P * G }, (_, r) => Math.floor(r / G))));
  return drawn(t, options, rows, writes);
}

/** One more token for every row; `chunks` are in use. */
function decodeStep(
  t: Trace,
  options: EntryOptions,
  sizes: CacheSizes,
  chunks: number,
): { outputs: Record<string, Value> } {
  const { config } = options;
  const P = sizes.prompts;
  const R = P * sizes.group;
  const params = options.decoding(t);
  const [slot, lengths] = [t.input('slot', [1], 'int32'), t.input('lengths', [P], 'int32')];
  const caches = stepCaches(t, sizes, chunks, slot, lengths);
  const positions = t.reshape(t.input('positions', [R], 'int32'), [1, R, 1]);
  const rotation = multimodalRotation(t, config.text, t.concat([positions, positions, positions], 0));
  const project = newHeads(t, params, config.text, rotation, P);
  const attention: Attention = (layer, x) => {
    const { q, k, v } = project(layer, x);
    const extended = caches.extend(layer, { k, v });
    return cachedAttention(t, q, extended.k, extended.v, caches.mask);
  };
  const tokens = embedTokens(t, params, t.input('tokens', [R], 'int32'));
  const hidden = textLayers(t, params, config.text, tokens, attention);
  return drawn(t, options, logits(t, params, config, hidden), []);
}

/** Draws a token for each row of logits [R, V], once the cache is written. */
function drawn(
  t: Trace,
  options: EntryOptions,
  rows: Value,
  writes: readonly Node[],
): { outputs: Record<string, Value> } {
  if (options.mode === 'greedy')
    return { outputs: { tokens: t.after(writes, greedy(t, rows, options.suppressed)) } };
  const { tokens, logps } = sample(t, rows, options.suppressed, {
    inverseTemperature: t.input('inverseTemperature', []),
    uniforms: t.input('uniforms', rows.shape.slice(0, 1)),
  });
  return { outputs: { tokens: t.after(writes, tokens), logps } };
}
