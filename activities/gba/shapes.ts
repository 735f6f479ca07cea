/** Shapes of GBA's batches: prompts are known from the start, completions are not. */
import type { GbaParams } from '../../schemas/gba-params.ts';
import type { BatchSizes } from '../nn/generation/entries.ts';
import { distinctShapes } from '../nn/training/batch-shapes.ts';
import type { BatchShape } from '../nn/training/batch-shapes.ts';

export interface PromptSize {
  readonly tokens: number;
  readonly images: number;
}

const roundUp = (n: number, multiple: number): number => Math.ceil(n / multiple) * multiple;
const maxOf = (xs: readonly number[]): number => xs.reduce((a, b) => Math.max(a, b), 0);
const sumOf = (xs: readonly number[]): number => xs.reduce((a, b) => a + b, 0);

/**
 * Shapes of prompts for sampling: `steps` holds the prompts of each step, all with `group` completions. One shape fits
 * the shorter half of the steps, one all.
 */
export const samplingShapes = (steps: readonly (readonly PromptSize[])[], group: number): BatchSizes[] => {
  const longest = steps
    .map((prompts) => roundUp(maxOf(prompts.map((p) => p.tokens)), 8))
    .sort((a, b) => a - b);
  const lengths = new Set([longest[Math.floor(longest.length / 2)] ?? 8, longest.at(-1) ?? 8]);
  return [...lengths].map((promptTokens) => ({
    prompts: maxOf(steps.map((prompts) => prompts.length)),
    group,
    promptTokens,
    imageEmbeddings: maxOf(steps.map((prompts) => sumOf(prompts.map((p) => p.images)))),
  }));
};

/** Shares of the longest completion that a batch's longest one, and its mean, may take. */
const LEVELS = [
  { longest: 0.5, means: [0.5] },
  { longest: 1, means: [0.6, 0.8, 1] },
];

/**
 * Shapes of training batches: as many rows as `microBatchTokens` allows if all completions were of full length, with
 * room for completions of half and of full length, and for several mean lengths.
 */
export const trainingShapes = (
  steps: readonly (readonly PromptSize[])[],
  completionsOfPrompt: number,
  params: Pick<GbaParams, 'maxNewTokens' | 'microBatchTokens'>,
): BatchShape[] => {
  const prompt = maxOf(steps.flatMap((prompts) => prompts.map((p) => p.tokens)));
  const total = maxOf(steps.map((prompts) => prompts.length)) * completionsOfPrompt;
  const rows = Math.max(
    1,
    Math.min(total, Math.floor(params.microBatchTokens / (prompt + params.maxNewTokens))),
  );
  // Rows of a batch are those nearest in length, so any of a step's prompts may fill it.
  const worst = (of: (p: PromptSize) => number): number =>
    maxOf(
      steps.map((prompts) => {
        const each = prompts.flatMap((p) => Array.from({ length: completionsOfPrompt }, () => of(p)));
        return sumOf(each.sort((a, b) => b - a).slice(0, rows));
      }),
    );
  const images = worst((p) => p.images);
  const promptTokens = worst((p) => p.tokens);
  const shapes = LEVELS.flatMap(({ longest, means }) =>
    means.map((mean) => {
      const labels = roundUp(Math.ceil(rows * mean * params.maxNewTokens), 16);
      return {
        rows,
        length: roundUp(prompt + Math.ceil(longest * params.maxNewTokens), 4),
        tokens: roundUp(promptTokens + labels, 16),
        labels,
        images,
      };
    }),
  );
  return distinctShapes(shapes);
};
