/**
 * Draws cases from the bank: a condition, four options of its pool, five findings as the condition would show them.
 *
 * Drawn anew until the case can be decided: the gold option's posterior is at least .6 and the largest, and a case with
 * a drawing needs it, that is, the best option by the text alone is another.
 */
import type { Bank, Condition, Pool } from './bank.ts';
import type { Draws } from './draws.ts';
import { argmax, likelihood, posteriors, type Evidence, type Finding } from './posterior.ts';

const OPTIONS = 4;
const FINDINGS = 5;
const LEAST_POSTERIOR = 0.6;
const MOST_TRIES = 10_000;

export interface ClinicCase extends Evidence {
  readonly pool: Pool;
  readonly age: string;
  readonly setting: string;
  /** Index of the right option. */
  readonly gold: number;
}

/** No case that meets the rules could be drawn: the bank's conditions are too much alike. */
export class NoSuchCase extends Error {
  override name = 'NoSuchCase' as const;
}

function shownFindings(bank: Bank, gold: Condition, rival: Condition, draws: Draws): Finding[] {
  const shown: Finding[] = [];
  const show = (name: string): void => {
    const present = draws.chance(likelihood(bank, gold, { name, present: true }));
    shown.push({ name, present });
  };
  for (const name of draws.shuffled(Object.keys(gold.findings)).slice(0, FINDINGS - 1)) show(name);
  // One that a rival would show makes the case a question of telling the two apart.
  const left = Object.keys(rival.findings).filter((name) => !shown.some((finding) => finding.name === name));
  if (left.length > 0) show(draws.pick(left));
  return draws.shuffled(shown);
}

const isDecided = (bank: Bank, drawn: Evidence, gold: number): boolean => {
  const all = posteriors(bank, drawn);
  if (argmax(all) !== gold || (all[gold] ?? 0) < LEAST_POSTERIOR) return false;
  return drawn.sign === null || argmax(posteriors(bank, { ...drawn, sign: null })) !== gold;
};

/** One case of a pool. With `image`, it has a drawing that its answer depends on. */
export function drawCase(bank: Bank, pool: Pool, image: boolean, draws: Draws): ClinicCase {
  const candidates = bank.conditions.filter((condition) => condition.pool === pool);
  for (let attempt = 0; attempt < MOST_TRIES; attempt++) {
    const gold = draws.pick(candidates);
    const others = draws.shuffled(candidates.filter((other) => other !== gold)).slice(0, OPTIONS - 1);
    const options = draws.shuffled([gold, ...others]);
    const drawn = {
      findings: shownFindings(bank, gold, draws.pick(others), draws),
      sign: image ? gold.sign : null,
      options: options.map(({ name }) => name),
    };
    const at = options.indexOf(gold);
    if (!isDecided(bank, drawn, at)) continue;
    return {
      ...drawn,
      pool,
      gold: at,
      age: draws.pick(bank.pools[pool]),
      setting: draws.pick(bank.settings),
    };
  }
  throw new NoSuchCase(
    `no ${image ? 'image ' : ''}case of ${pool} in ${MOST_TRIES} tries: the bank's conditions are too much alike`,
  );
}
