/**
 * Rewards of GBA (section 3.3): diagnostic accuracy and `<think>`/`<answer>` structure, and adherence to the
 * paradigm's checklist, which the paper leaves to the guideline in the prompt (weight 0 by default).
 *
 * Each is a named function of one completion, so that a sum of them is a table of weights.
 */
import type { Paradigm } from '../../schemas/paradigm.ts';

export interface Rollable {
  /** Letter of the right option. */
  readonly gold: string;
  readonly paradigm: Paradigm | null;
  /** What a completion under this paradigm must say, each item a pattern looked for in its reasoning. */
  readonly checklist: readonly RegExp[];
}

export type Reward = (completion: string, query: Rollable) => number;

const STRUCTURE = /^\s*<think>([\s\S]*?)<\/think>\s*<answer>([\s\S]*?)<\/answer>\s*$/;
const TAGS = ['<think>', '</think>', '<answer>', '</answer>'] as const;

const count = (text: string, part: string): number => text.split(part).length - 1;

/** Reasoning and answer of a well-formed completion, undefined where a tag is missing, doubled or out of place. */
const partsOf = (completion: string): { reasoning: string; answer: string } | undefined => {
  if (TAGS.some((tag) => count(completion, tag) !== 1)) return undefined;
  const match = STRUCTURE.exec(completion);
  return match === null ? undefined : { reasoning: match[1] ?? '', answer: match[2] ?? '' };
};

/** Letter in the first `<answer>`, alone or leading as in `B. Gout` or `(B)`; undefined where there is none. */
const letterOf = (completion: string): string | undefined =>
  /<answer>\s*\(?([A-Z])\)?(?![A-Za-z])[\s\S]*?<\/answer>/.exec(completion)?.[1];

/** 1 where the letter in `<answer>` is the gold option's, else 0. The rest of the text earns nothing. */
export const accuracyReward: Reward = (completion, query) => (letterOf(completion) === query.gold ? 1 : 0);

/** 1 where the completion is exactly one `<think>` block with words in it and then one `<answer>` block, else 0. */
export const structureReward: Reward = (completion) => {
  const parts = partsOf(completion);
  return parts !== undefined && parts.reasoning.trim() !== '' && parts.answer.trim() !== '' ? 1 : 0;
};

/** Share of the paradigm's checklist that the reasoning meets; 0 without a checklist or a `<think>` block. */
export const adherenceReward: Reward = (completion, query) => {
  const reasoning = /<think>([\s\S]*?)<\/think>/.exec(completion)?.[1];
  if (reasoning === undefined || query.checklist.length === 0) return 0;
  return query.checklist.filter((item) => item.test(reasoning)).length / query.checklist.length;
};

/** The rewards by the names that configs and rollouts use. */
export const REWARDS = {
  accuracy: accuracyReward,
  structure: structureReward,
  adherence: adherenceReward,
} as const satisfies Record<string, Reward>;
export type RewardName = keyof typeof REWARDS;

export interface Scored {
  readonly rewards: Readonly<Record<RewardName, number>>;
  /** Weighted sum. */
  readonly total: number;
}

/** Every reward of one completion and their weighted sum; rewards of weight 0 are computed too, for the log. */
export const scoreCompletion = (
  completion: string,
  query: Rollable,
  weights: Readonly<Record<RewardName, number>>,
): Scored => {
  const rewards = {
    accuracy: REWARDS.accuracy(completion, query),
    structure: REWARDS.structure(completion, query),
    adherence: REWARDS.adherence(completion, query),
  };
  const total =
    weights.accuracy * rewards.accuracy +
    weights.structure * rewards.structure +
    weights.adherence * rewards.adherence;
  return { rewards, total };
};
