import { describe, expect, it } from 'vitest';
import { planSteps } from '../../../activities/gba/queries.ts';
import type { Prompt } from '../../../activities/gba/queries.ts';
import { asksOf, judgeStep, requestOf } from '../../../activities/gba/rollouts.ts';
import { samplingShapes, trainingShapes } from '../../../activities/gba/shapes.ts';
import { Case } from '../../../schemas/case.ts';
import type { Paradigm } from '../../../schemas/paradigm.ts';

const question = Case.parse({
  version: 1,
  id: 'q',
  question: 'which?',
  options: [
    { letter: 'A', text: 'a' },
    { letter: 'B', text: 'b' },
  ],
  gold: 'B',
  source: 'test',
  licence: 'none',
  split: 'train',
});
const prompt = (paradigm: Paradigm | null): Prompt => ({
  case: question,
  paradigm,
  text: 'which?',
  ids: Int32Array.of(1, 2, 3),
  positions: { ids: new Int32Array(9), next: 3 },
  imageTokens: 0,
});
const completion = (tokens: number[]) => ({ tokens, logps: [], finishReason: 'stop' as const });

describe('asking for rollouts', () => {
  it('asks once for each different prompt of a group and remembers the places', () => {
    const [a, b] = [prompt('analytical'), prompt('bayesian')];
    const asks = asksOf([
      [a, b, a, b],
      [a, a, a, a],
    ]);
    expect(asks.map(({ group, places }) => [group, places])).toEqual([
      [0, [0, 2]],
      [0, [1, 3]],
      [1, [0, 1, 2, 3]],
    ]);
    const ids = asks.map((ask) => requestOf(ask, 7, undefined).id);
    expect(new Set(ids).size).toBe(3);
    expect(requestOf(asks[0]!, 8, undefined).id).not.toBe(ids[0]);
  });
});

describe('judging a step', () => {
  it('weighs the rewards and compares within groups', () => {
    const texts = new Map([
      [1, '<think>x</think><answer>B</answer>'],
      [2, '<answer>B</answer>'],
      [3, 'nothing'],
    ]);
    const judged = judgeStep(
      [
        [prompt(null), prompt(null)],
        [prompt(null), prompt(null)],
      ],
      [
        [completion([1]), completion([3])],
        [completion([2]), completion([2])],
      ],
      {
        weights: { accuracy: 1, structure: 0.5, adherence: 0 },
        advantage: { scale: 'group', std: 'unbiased', epsilon: 0 },
        checklist: () => [],
        decode: ([token]) => texts.get(token ?? 0) ?? '',
      },
    );
    expect(judged.rollouts.map((r) => r.reward)).toEqual([1.5, 0, 1, 1]);
    expect(judged.rollouts.map((r) => r.advantage)).toEqual([Math.SQRT1_2, -Math.SQRT1_2, 0, 0]);
    expect(judged.fractionWithoutSpread).toBe(0.5);
  });
});

describe('planning the steps', () => {
  it('visits every query once before any twice, without a gap between passes', () => {
    const plan = planSteps(5, { perStep: 2, group: 2, mode: 'rotate', seed: 1 });
    const visited = [0, 1, 2, 3, 4].flatMap((step) => plan(step).map((g) => g.query));
    expect(visited.slice(0, 5).sort((a, b) => a - b)).toEqual([0, 1, 2, 3, 4]);
    expect(visited.slice(5).sort((a, b) => a - b)).toEqual([0, 1, 2, 3, 4]);
    expect(plan(3)).toEqual(planSteps(5, { perStep: 2, group: 2, mode: 'rotate', seed: 1 })(3));
  });
});

describe('the shapes of batches', () => {
  const steps = [
    [
      { tokens: 20, images: 0 },
      { tokens: 30, images: 4 },
    ],
    [
      { tokens: 50, images: 4 },
      { tokens: 21, images: 4 },
    ],
  ];
  it('of sampling hold the prompts of every step', () => {
    const shapes = samplingShapes(steps, 4);
    expect(shapes.at(-1)).toEqual({ prompts: 2, group: 4, promptTokens: 56, imageEmbeddings: 8 });
  });
  it('of training hold completions of full length, whatever the micro-batch', () => {
    for (const microBatchTokens of [10_000, 200, 10]) {
      const shapes = trainingShapes(steps, 4, { maxNewTokens: 16, microBatchTokens });
      const last = shapes.at(-1)!;
      expect(last.length).toBeGreaterThanOrEqual(66);
      expect(last.tokens).toBeGreaterThanOrEqual(last.rows === 1 ? 66 : last.rows * 16 + 50);
      expect(last.labels).toBeGreaterThanOrEqual(last.rows * 16);
      expect(last.images).toBeGreaterThanOrEqual(4);
    }
  });
});
