/** What the teacher is asked: the case as anybody would see it, never its gold answer, topics or groups. */
import { z } from 'zod';
import type { Case } from '../../schemas/case.ts';
import { Synthesize, Teacher } from '../../schemas/config/synthesize.ts';
import { Paradigm } from '../../schemas/paradigm.ts';
import { randomKey } from '../nn/random.ts';

/** Parameters of `synthesize`. A shard takes the cases whose id's sha256, read as a number, is `index` modulo `count`. */
export const SynthesizeParams = z.strictObject({
  paradigms: Synthesize.shape.paradigms,
  model: Teacher.shape.model,
  temperature: Teacher.shape.temperature,
  maxTokens: Teacher.shape.maxTokens,
  shard: z
    .strictObject({ index: z.int().nonnegative(), count: z.int().positive() })
    .refine(({ index, count }) => index < count, 'index is not below count'),
});
export type SynthesizeParams = z.infer<typeof SynthesizeParams>;

/** Paradigms that a case is reasoned under. In turn means by the id, so that other cases do not matter. */
export const paradigmsOf = (one: Case, mode: SynthesizeParams['paradigms']): readonly Paradigm[] => {
  if (mode === 'all') return Paradigm.options;
  const [turn] = randomKey(0, 'paradigm', one.id);
  return [Paradigm.options[turn % Paradigm.options.length] ?? 'differential'];
};

/** Text of a case for the teacher. */
export const caseText = ({ question, options }: Case): string =>
  [question, '', ...options.map(({ letter, text }) => `${letter}. ${text}`)].join('\n');

/** Letter in the response's one `<answer>`; null where there is none, more than one, or more than a letter in it. */
export function letterOf(response: string): string | null {
  const found = [...response.matchAll(/<answer>\s*([A-Z])\s*<\/answer>/g)];
  return found.length === 1 ? (found[0]?.[1] ?? null) : null;
}
