import { describe, expect, it } from 'vitest';
import {
  accuracyReward,
  adherenceReward,
  scoreCompletion,
  structureReward,
} from '../../../activities/gba/rewards.ts';

const query = { gold: 'B', paradigm: 'bayesian', checklist: [/prior/i, /posterior/i] } as const;

describe('the accuracy reward', () => {
  it.each([
    ['<think>x</think><answer>B</answer>', 1],
    ['<think>x</think><answer> (B) </answer>', 1],
    ['<think>x</think><answer>B. Simple cyst</answer>', 1],
    ['<think>x</think><answer>C</answer>', 0],
    ['<think>x</think><answer>Benign</answer>', 0],
    ['<think>x</think><answer>b</answer>', 0],
    ['the answer is B', 0],
    ['<think>B</think>', 0],
    ['<answer>B', 0],
    ['', 0],
  ])('of %j is %d', (text, reward) => expect(accuracyReward(text, query)).toBe(reward));
});

describe('the structure reward', () => {
  it.each([
    ['<think>x</think><answer>B</answer>', 1],
    [' <think>x\ny</think>\n<answer>nothing sensible</answer>\n', 1],
    ['<think></think><answer>B</answer>', 0],
    ['<think>x</think><answer> </answer>', 0],
    ['<answer>B</answer><think>x</think>', 0],
    ['<think>x</think><answer>B</answer> and more', 0],
    ['<think>x</think><answer>B</answer><answer>C</answer>', 0],
    ['<think><think>x</think><answer>B</answer>', 0],
    ['<think>x</think>', 0],
    ['', 0],
  ])('of %j is %d', (text, reward) => expect(structureReward(text, query)).toBe(reward));
});

describe('the adherence reward', () => {
  it('is the share of the checklist that the reasoning meets', () => {
    expect(adherenceReward('<think>prior, then posterior</think>', query)).toBe(1);
    expect(adherenceReward('<think>a prior</think><answer>posterior</answer>', query)).toBe(0.5);
    expect(adherenceReward('prior posterior', query)).toBe(0);
    expect(adherenceReward('<think>prior</think>', { ...query, checklist: [] })).toBe(0);
  });
});

describe('scoreCompletion', () => {
  it('weighs every reward and logs those of weight 0', () => {
    const scored = scoreCompletion('<think>prior</think><answer>B</answer>', query, {
      accuracy: 1,
      structure: 0.2,
      adherence: 0,
    });
    expect(scored).toEqual({ rewards: { accuracy: 1, structure: 1, adherence: 0.5 }, total: 1.2 });
  });
});
