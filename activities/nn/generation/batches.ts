import type { BatchSizes } from './entries.ts';

/** Sizes of a prompt that decide which batch it fits. */
export interface PromptSize {
  readonly tokens: number;
  readonly imageEmbeddings: number;
}

export interface BatchLimits {
  /** Rows of a batch, all completions of its prompts. */
  readonly rows: number;
  /** Completions of each prompt. */
  readonly group: number;
  /** Different lengths at most; each is a graph of its own. */
  readonly lengths: number;
}

/** Lengths are rounded up to a multiple of this where prompts have several. */
const lengthStep = 16;

/** Places of prompts, the longest first, equals in order. */
export const longestFirst = (tokens: readonly number[]): number[] =>
  tokens.map((_, i) => i).sort((a, b) => (tokens[b] ?? 0) - (tokens[a] ?? 0) || a - b);

/**
 * Batch shapes for prompts of known sizes: as many prompts in each as rows allow, evenly spread, and few lengths.
 * All shapes have one number of prompts, so that batches are cut the same way whatever their lengths.
 */
export function planBatches(prompts: readonly PromptSize[], limits: BatchLimits): BatchSizes[] {
  if (prompts.length === 0) return [];
  const most = Math.max(1, Math.floor(limits.rows / limits.group));
  const count = Math.ceil(prompts.length / most);
  const size = Math.ceil(prompts.length / count);
  const order = longestFirst(prompts.map(({ tokens }) => tokens));
  const batches = Array.from({ length: count }, (_, i) => {
    const members = order.slice(i * size, (i + 1) * size).flatMap((at) => prompts[at] ?? []);
    return {
      promptTokens: Math.max(1, ...members.map(({ tokens }) => tokens)),
      imageEmbeddings: members.reduce((sum, { imageEmbeddings }) => sum + imageEmbeddings, 0),
    };
  });
  const rounded = batches.map(({ promptTokens }) => Math.ceil(promptTokens / lengthStep) * lengthStep);
  const distinct = [...new Set(rounded)].sort((a, b) => b - a);
  const every = Math.ceil(distinct.length / limits.lengths);
  const kept = distinct.filter((_, i) => i % every === 0);
  const imageEmbeddings = Math.max(...batches.map((batch) => batch.imageEmbeddings));
  const exact = distinct.length === 1 ? [Math.max(...batches.map(({ promptTokens }) => promptTokens))] : kept;
  return exact.map((promptTokens) => ({ prompts: size, group: limits.group, promptTokens, imageEmbeddings }));
}
