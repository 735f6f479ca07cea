import { inLanes, laneSizes } from '../lanes.ts';
import type { Parameters } from '../linear.ts';
import type { Heads } from '../models/attention.ts';
import type { ModelConfig } from '../models/config.ts';
import { multimodalRotation } from '../models/rope.ts';
import { attendRows, ofAllLanes, tokenLanes } from '../models/row-attention.ts';
import type { Attend } from '../models/row-attention.ts';
import { embedTokens, headModule, headModules, textLayers } from '../models/text.ts';
import type { Node, Value } from '../ops/node.ts';
import { dim } from '../ops/shape.ts';
import type { Trace } from '../ops/trace.ts';
import type { Program } from '../runtime/program.ts';
import { cachedAttention } from './cached-attention.ts';
import { beginCaches, cacheMask, extendCaches, keepCaches } from './caches.ts';
import type { CacheSizes } from './caches.ts';
import { decodeLayers } from './decode-layers.ts';
import type { LaneAttention } from './decode-layers.ts';
import { headLanes, lanesOf } from './head-lanes.ts';
import type { HeadLanes } from './head-lanes.ts';
import { linearInLanes, outputLane } from './lane-linear.ts';
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
  const lanes = headLanes(options.config.text, program.lanes);
  const batch = `${options.name}/${P}x${group}x${T}.${M}`;
  const cachesOf = (name: string, prompts: number): CacheSizes[] =>
    lanesOf(lanes).map((lane) => ({
      name: `${name}/lane-${lane}`,
      config: lanes.config,
      prompts,
      group,
      promptTokens: T,
      chunk: options.chunk,
      chunks: options.chunks,
    }));
  const caches = cachesOf(batch, P);
  const name = `${batch}/${options.mode}`;
  program.entry(`${name}/prefill`, (t) => prefill(t, options, caches), asTraced);
  let before = caches;
  const [first, ...rest] = stageSizes(options.sizes).map((prompts, index): Stage => {
    const stage = `${name}/${prompts}`;
    const from = before;
    const own = index === 0 ? caches : cachesOf(`${batch}/${prompts}`, prompts);
    const enter = `${stage}/enter`;
    if (index > 0) program.entry(enter, (t) => enterStage(t, from, own), asTraced);
    before = own;
    const decode = Array.from({ length: options.chunks }, (_, i) => `${stage}/decode-${i + 1}`);
    for (const [i, entry] of decode.entries())
      program.entry(entry, (t) => decodeStep(t, options, lanes, own, prompts, i + 1), asTraced);
    return index === 0 ? { prompts, decode } : { prompts, enter, decode };
  });
  return { sizes: options.sizes, prefill: `${name}/prefill`, stages: [first!, ...rest] };
}

function enterStage(
  t: Trace,
  from: readonly CacheSizes[],
  to: readonly CacheSizes[],
): { outputs: Record<string, Value> } {
  const kept = t.input('kept', [to[0]!.prompts], 'int32');
  const writes = to.flatMap((own, lane) => keepCaches(t, from[lane]!, own, kept));
  return { outputs: { done: t.after(writes, t.scalar(1, 'int32')) } };
}

function prefill(
  t: Trace,
  options: EntryOptions,
  caches: readonly CacheSizes[],
): { outputs: Record<string, Value> } {
  const { config, sizes } = options;
  const { prompts: P, group: G, promptTokens: T, imageEmbeddings: M } = sizes;
  const { kvHeads: KV, headDim: d, hiddenSize } = config.text;
  const params = options.source(t);
  const ids = t.input('ids', [P, T], 'int32');
  const images =
    M === 0
      ? undefined
      : { embeds: t.input('embeds', [M, hiddenSize]), index: t.input('index', [P, T], 'int32') };
  const writes: Node[] = [];
  const keyHeads = caches.map((own) => own.config.kvHeads);
  const ofLanes = (x: Value): readonly Value[] => t.split(t.reshape(x, [P, T, KV, d]), keyHeads, 2);
  const keep = (layer: number, computed: Pick<Heads, 'k' | 'v'>): void => {
    const [k, v] = [ofLanes(computed.k), ofLanes(computed.v)];
    for (const [lane, own] of caches.entries())
      writes.push(...beginCaches(t, own, layer, { k: k[lane]!, v: v[lane]! }));
  };
  const attendPrompts = attendRows(t, T);
  const attend: Attend = (layer, lanes) => {
    keep(layer, { k: ofAllLanes(t, lanes, 'k'), v: ofAllLanes(t, lanes, 'v') });
    return attendPrompts(layer, lanes);
  };
  const rotation = multimodalRotation(t, config.text, t.input('positions', [3, P, T], 'int32'));
  const embeds = t.reshape(embedTokens(t, params, ids, images), [P * T, hiddenSize]);
  const last = textLayers(
    t,
    params,
    config.text,
    { embeds, rotation, lanes: tokenLanes(t, P, T) },
    attend,
    lastTokens(t, params, config.text, rotation, t.input('last', [P], 'int32'), keep),
  ); // [P, D]
  const scores = linearInLanes(t, params, headModule(config), last, headLanes(config.text, t.lanes));
  const rows =
    G === 1 ? scores : t.gather(scores, t.ints(Array.from({ length: P * G }, (_, r) => Math.floor(r / G))));
  return drawn(t, options, rows, writes);
}

/** One more token for every row; `chunks` are in use. */
function decodeStep(
  t: Trace,
  options: EntryOptions,
  lanes: HeadLanes,
  sizes: readonly CacheSizes[],
  P: number,
  chunks: number,
): { outputs: Record<string, Value> } {
  const { config } = options;
  const R = P * options.sizes.group;
  const params = options.decoding(t);
  const [slot, lengths] = [t.input('slot', [1], 'int32'), t.input('lengths', [P], 'int32')];
  const positions = t.reshape(t.input('positions', [R], 'int32'), [1, R]);
  const rotation = multimodalRotation(t, config.text, t.concat([positions, positions, positions], 0));
  const mask = cacheMask(t, sizes[0]!, chunks, slot, lengths);
  const parts = sizes.map((own, lane) => ({
    project: newHeads(
      t,
      (layer) => outputLane(t, params, headModules(layer), lane, lanes),
      lanes.config,
      rotation,
      P,
    ),
    extend: extendCaches(t, own, chunks, slot),
  }));
  const attend: LaneAttention = (lane, layer, x) => {
    const { project, extend } = parts[lane]!;
    const { q, ...rows } = project(layer, x);
    const { k, v } = extend(layer, rows);
    return cachedAttention(t, q, k, v, mask);
  };
  const tokens = embedTokens(t, params, t.input('tokens', [R], 'int32'));
  const hidden = decodeLayers(t, params, config.text, lanes, tokens, attend);
  return drawn(t, options, linearInLanes(t, params, headModule(config), hidden, lanes), []);
}

/** Draws a token for each row of logits [R, V], once the cache is written. */
function drawn(
  t: Trace,
  options: EntryOptions,
  rows: Value,
  writes: readonly Node[],
): { outputs: Record<string, Value> } {
  const lanes = inLanes(t, rows, laneSizes(dim(rows.shape, 0), t.lanes));
  const sizes = lanes.map((own) => dim(own.shape, 0));
  const join = (parts: readonly Value[]): Value => t.concat(parts, 0);
  if (options.mode === 'greedy') {
    const tokens = join(lanes.map((own) => greedy(t, own, options.suppressed)));
    return { outputs: { tokens: t.after(writes, tokens) } };
  }
  const inverseTemperature = t.input('inverseTemperature', []);
  const uniforms = inLanes(t, t.input('uniforms', rows.shape.slice(0, 1)), sizes);
  const drawn = lanes.map((own, lane) =>
    sample(t, own, options.suppressed, { inverseTemperature, uniforms: uniforms[lane]! }),
  );
  const tokens = join(drawn.map((own) => own.tokens));
  return { outputs: { tokens: t.after(writes, tokens), logps: join(drawn.map((own) => own.logps)) } };
}
