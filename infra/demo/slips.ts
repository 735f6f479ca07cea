/**
 * How the scripted teacher errs. Real teachers do, and `filter` and `review` exist for it; so the demo's teacher errs at
 * stated rates, and which slip a request meets depends on its content alone.
 */
import type { Paradigm } from '../../schemas/paradigm.ts';
import { LETTERS } from '../../activities/clinic/case-text.ts';
import type { Draws } from '../../activities/clinic/draws.ts';
import { SIGN_SCORE, type OptionReasoning, type Reasoning } from '../../activities/clinic/reasoning.ts';
import { SCORE_WORDS, writeThought, writeTrace } from '../../activities/clinic/traces.ts';

/** Share of requests that meet each slip; the rest are answered well. */
export const SLIP_RATES = {
  /** Concludes another option, in words and letter. */
  'wrong-letter': 0.08,
  /** One figure of the reasoning is not what the bank gives: a posterior two bands off, a score, a finding. */
  'wrong-posterior': 0.04,
  /** The tags are not as asked. */
  malformed: 0.03,
  'answer-first': 0.03,
  /** The conclusion in words is not the letter. */
  contradictory: 0.02,
  refusal: 0.01,
} as const;
export type Slip = keyof typeof SLIP_RATES;

/** Share of requests whose first attempt ends in 429 or 500. */
export const TRANSIENT_RATE = 0.02;

export const REFUSAL = 'I cannot help with that.';

export function pickSlip(draws: Draws): Slip | undefined {
  let u = draws.next();
  for (const [slip, rate] of Object.entries(SLIP_RATES)) {
    if (u < rate) return slip as Slip;
    u -= rate;
  }
  return undefined;
}

/** An option's line with one figure wrong in the way of the paradigm; the line itself where nothing can be. */
const misread: Record<Paradigm, (option: OptionReasoning, rest: readonly string[]) => OptionReasoning> = {
  bayesian: (option) => ({
    ...option,
    posterior: option.posterior >= 2 ? option.posterior - 2 : option.posterior + 2,
  }),
  differential: (option) => ({
    ...option,
    score: option.score + SIGN_SCORE < SCORE_WORDS.length ? option.score + 1 : option.score - 1,
  }),
  intuitive: (option, all) => ({
    ...option,
    strongest: all.find((finding) => finding !== option.strongest) ?? null,
  }),
  analytical: (option) => {
    const [moved, ...fits] = option.fits;
    if (moved !== undefined) return { ...option, fits, rest: [...option.rest, moved] };
    const [taken, ...rest] = option.rest;
    return taken === undefined ? option : { ...option, fits: [taken], rest };
  },
};

function misreasoned(paradigm: Paradigm, reasoning: Reasoning, draws: Draws): Reasoning {
  const at = draws.pick(reasoning.options.map((_, i) => i));
  return {
    ...reasoning,
    options: reasoning.options.map((option, i) =>
      i === at ? misread[paradigm](option, [...option.rest, ...option.fits]) : option,
    ),
  };
}

const MALFORMATIONS: readonly ((thought: string, letter: string) => string)[] = [
  (thought, letter) => `<think>${thought}<answer>${letter}</answer>`,
  (thought, letter) => `${thought}\nAnswer: ${letter}`,
  (thought, letter) => `<think>${thought}</think><answer>option ${letter}</answer>`,
  (thought, letter) => `<think>${thought}</think><answer>${letter}`,
];

/** The response to a case under a slip. Undefined means a refusal. */
export function respond(
  paradigm: Paradigm,
  reasoning: Reasoning,
  slip: Slip | undefined,
  draws: Draws,
): string | undefined {
  const others = reasoning.options.map((_, i) => i).filter((i) => i !== reasoning.answer);
  const thought = writeThought(paradigm, reasoning);
  const letter = LETTERS[reasoning.answer] ?? '';
  switch (slip) {
    case 'wrong-letter':
      return writeTrace(paradigm, { ...reasoning, answer: draws.pick(others) });
    case 'wrong-posterior':
      return writeTrace(paradigm, misreasoned(paradigm, reasoning, draws));
    case 'malformed':
      return draws.pick(MALFORMATIONS)(thought, letter);
    case 'answer-first':
      return `<answer>${letter}</answer><think>${thought}</think>`;
    case 'contradictory': {
      const other = writeThought(paradigm, { ...reasoning, answer: draws.pick(others) });
      return `<think>${other}</think><answer>${letter}</answer>`;
    }
    case 'refusal':
      return undefined;
    default:
      return writeTrace(paradigm, reasoning);
  }
}
