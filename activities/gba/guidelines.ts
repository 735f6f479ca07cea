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
  const at = (i: number): Paradigm => ALL[i % ALL.length] as Paradigm;
  return visits.flatMap(({ query, visit }) => {
    switch (mode) {
      case 'none':
        return [fill(query, () => null)];
      case 'rotate':
        return [fill(query, () => at(query + visit))];
      case 'mixed':
        return [fill(query, (i) => at(i))];
      case 'all':
        return ALL.map((paradigm) => fill(query, () => paradigm));
    }
  });
};
