import { describe, expect, it } from 'vitest';
import { planBatches } from '../../../../activities/nn/generation/batches.ts';

const prompts = (lengths: readonly number[]): { tokens: number; imageEmbeddings: number }[] =>
  lengths.map((tokens) => ({ tokens, imageEmbeddings: 0 }));

describe('planned batches', () => {
  it('spread prompts evenly and round lengths up to few', () => {
    const lengths = Array.from({ length: 100 }, (_, i) => 20 + i);
    const shapes = planBatches(prompts(lengths), { rows: 30, group: 1, lengths: 2 });
    expect(shapes.map(({ prompts, promptTokens }) => [prompts, promptTokens])).toEqual([
      [25, 128],
      [25, 80],
    ]);
  });

  it('give one prompt its own length', () => {
    const [shape, ...more] = planBatches(prompts([37]), { rows: 64, group: 4, lengths: 4 });
    expect(shape).toEqual({ prompts: 1, group: 4, promptTokens: 37, imageEmbeddings: 0 });
    expect(more).toEqual([]);
  });

  it('have room for the images of the batch that has most, and at least one prompt', () => {
    const sizes = [
      { tokens: 50, imageEmbeddings: 4 },
      { tokens: 40, imageEmbeddings: 6 },
      { tokens: 30, imageEmbeddings: 0 },
    ];
    const [shape] = planBatches(sizes, { rows: 2, group: 1, lengths: 1 });
    expect(shape).toMatchObject({ prompts: 2, promptTokens: 64, imageEmbeddings: 10 });
    expect(planBatches(sizes, { rows: 2, group: 8, lengths: 4 }).every(({ prompts }) => prompts === 1)).toBe(
      true,
    );
    expect(planBatches([], { rows: 2, group: 1, lengths: 1 })).toEqual([]);
  });
});
