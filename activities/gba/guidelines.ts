/** Which paradigm guides which rollouts of a step (section 3.3: the prompt of GBA carries a guideline). */
import { Paradigm } from '../../schemas/paradigm.ts';

export type GuidelineMode = 'rotate' | 'all' | 'mixed' | 'none';

/** One group of rollouts that share a baseline; `paradigms[i]` guides rollout i, null means no guideline. */
export interface GroupPlan {
  /** Position of the query in the data set. */
  readonly query: number;
  readonly paradigms: readonly (Paradigm | null)[];
}

const ALL = Paradigm.options;
const inTurn = (i: number): Paradigm => ALL[i % ALL.length] as Paradigm;

/** Every paradigm that may guide a query; null means no guideline. */
export const paradigmsOf = (mode: GuidelineMode): readonly (Paradigm | null)[] =>
  mode === 'none' ? [null] : ALL;

/**
 * Groups of the queries that a step visits.
 *
 * `visit` counts how often the query was visited before: `rotate` starts at another paradigm for each query and goes on
 * to the next one at each visit, so that every epoch spreads evenly over paradigms and four epochs cover all of them.
 */
export const planGroups = (
  visits: readonly { readonly query: number; readonly visit: number }[],
  group: number,
  mode: GuidelineMode,
): GroupPlan[] => {
  const fill = (query: number, of: (i: number) => Paradigm | null): GroupPlan => ({
    query,
    paradigms: Array.from({ length: group }, (_, i) => of(i)),
  });
  const groupsOf: Record<GuidelineMode, (query: number, visit: number) => GroupPlan[]> = {
    none: (query) => [fill(query, () => null)],
    rotate: (query, visit) => [fill(query, () => inTurn(query + visit))],
    mixed: (query) => [fill(query, inTurn)],
    all: (query) => ALL.map((paradigm) => fill(query, () => paradigm)),
  };
  return visits.flatMap(({ query, visit }) => groupsOf[mode](query, visit));
};
