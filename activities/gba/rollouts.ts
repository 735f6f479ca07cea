/** Sampling the groups of a step and judging what came out. */
import type { Paradigm } from '../../schemas/paradigm.ts';
import type { RewardWeights } from '../../schemas/gba-params.ts';
import type { Rollout } from '../../schemas/rollout.ts';
import type { Completion } from '../nn/generation/completion.ts';
import type { GenerationRequest } from '../nn/generation/prompt-feeds.ts';
import { groupAdvantages } from './advantages.ts';
import type { AdvantageSettings } from './advantages.ts';
import type { Prompt } from './queries.ts';
import { scoreCompletion } from './rewards.ts';
import type { RewardName } from './rewards.ts';

/** A prompt of a step and which rollouts of its group are sampled from it. */
export interface Ask {
  readonly prompt: Prompt;
  readonly group: number;
  /** Places in the group, ascending. */
  readonly places: readonly number[];
}

/** One entry for each different prompt of a group; `mixed` groups have four, others one. */
export const asksOf = (groups: readonly (readonly Prompt[])[]): Ask[] =>
  groups.flatMap((prompts, group) => {
    const places = new Map<Prompt, number[]>();
    for (const [i, prompt] of prompts.entries()) places.set(prompt, [...(places.get(prompt) ?? []), i]);
    return [...places].map(([prompt, own]) => ({ prompt, group, places: own }));
  });

/** The sampler's request for an ask; the id keys its random numbers, so it names the step. */
export const requestOf = (
  ask: Ask,
  step: number,
  imageEmbeds: Float32Array | undefined,
): GenerationRequest => ({
  id: `${step}/${ask.group}/${ask.prompt.case.id}/${ask.prompt.paradigm ?? 'none'}`,
  tokens: ask.prompt.ids,
  positions: ask.prompt.positions,
  ...(imageEmbeds === undefined ? {} : { imageEmbeds }),
});

export interface JudgedRollout {
  readonly prompt: Prompt;
  readonly completion: Completion;
  readonly text: string;
  readonly rewards: Readonly<Record<RewardName, number>>;
  readonly reward: number;
  readonly advantage: number;
}

export interface JudgedStep {
  /** Groups one after another. */
  readonly rollouts: readonly JudgedRollout[];
  /** Share of rollouts that have no spread of rewards about them. */
  readonly fractionWithoutSpread: number;
}

export interface Judge {
  readonly weights: RewardWeights;
  readonly advantage: AdvantageSettings;
  checklist(paradigm: Paradigm | null): readonly RegExp[];
  decode(tokens: readonly number[]): string;
}

/** Rewards and advantages of a step's completions, groups one after another, each in the order of its places. */
export const judgeStep = (
  groups: readonly (readonly Prompt[])[],
  completions: readonly (readonly Completion[])[],
  judge: Judge,
): JudgedStep => {
  const scored = groups.flatMap((prompts, g) =>
    prompts.map((prompt, i) => {
      const completion = completions[g]?.[i];
      if (completion === undefined) throw new RangeError(`group ${g} has no completion ${i}`);
      const text = judge.decode(completion.tokens);
      const query = {
        gold: prompt.case.gold,
        paradigm: prompt.paradigm,
        checklist: judge.checklist(prompt.paradigm),
      };
      return { prompt, completion, text, ...scoreCompletion(text, query, judge.weights) };
    }),
  );
  const { advantages, fractionWithoutSpread } = groupAdvantages(
    scored.map((s) => s.total),
    groups[0]?.length ?? 0,
    judge.advantage,
  );
  return {
    rollouts: scored.map(({ total, ...rest }, i) => ({
      ...rest,
      reward: total,
      advantage: advantages[i] ?? 0,
    })),
    fractionWithoutSpread,
  };
};

/** The row of `rollouts.jsonl`; `step` counts from 1. */
export const rolloutRecord = (rollout: JudgedRollout, step: number): Rollout => ({
  version: 1,
  step,
  caseId: rollout.prompt.case.id,
  paradigm: rollout.prompt.paradigm,
  prompt: rollout.prompt.text,
  completion: rollout.text,
  rewards: { ...rollout.rewards },
  reward: rollout.reward,
  advantage: rollout.advantage,
  finishReason: rollout.completion.finishReason,
});
