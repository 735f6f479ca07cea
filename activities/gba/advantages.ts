/**
 * Group-relative advantages (eq. 4): `A = (r - mean) / (std + epsilon)` over the rollouts of one query.
 *
 * Deviations and choices:
 * 1. The spread is computed centred, in float64; sqrt(E[x^2] - E[x]^2) in float32 leaves a residue that epsilon then
 *    turns into advantages of thousands.
 * 2. `unbiased` divides by G - 1 (TRL, the golden files), `biased` by G.
 * 3. `scale: batch` divides by the spread of all rewards of the step, `none` by nothing (Dr. GRPO).
 */
export interface AdvantageSettings {
  readonly scale: 'group' | 'batch' | 'none';
  readonly std: 'unbiased' | 'biased';
  readonly epsilon: number;
}

export interface GroupAdvantages {
  /** One for each reward, in order. */
  readonly advantages: readonly number[];
  /** Share of rewards that have no spread about them, in their group, or with `scale: batch` in the step: they teach nothing. */
  readonly fractionWithoutSpread: number;
}

export class GroupSizeError extends Error {
  override readonly name = 'GroupSizeError';
}

const meanOf = (xs: readonly number[]): number => xs.reduce((a, b) => a + b, 0) / xs.length;

const areEqual = (xs: readonly number[]): boolean => xs.every((x) => x === xs[0]);

/** Spread of `xs` about their mean; 0 for a single value. */
export const standardDeviation = (xs: readonly number[], kind: 'unbiased' | 'biased'): number => {
  if (xs.length < 2) return 0;
  const mean = meanOf(xs);
  const squares = xs.reduce((a, x) => a + (x - mean) ** 2, 0);
  return Math.sqrt(squares / (kind === 'unbiased' ? xs.length - 1 : xs.length));
};

/** `rewards` holds the groups one after another, `group` rewards each. */
export const groupAdvantages = (
  rewards: readonly number[],
  group: number,
  settings: AdvantageSettings,
): GroupAdvantages => {
  if (group < 1 || rewards.length === 0 || rewards.length % group !== 0) {
    throw new GroupSizeError(
      `${rewards.length} rewards do not make groups of ${group}: pass the rollouts of whole groups`,
    );
  }
  const batchStd = standardDeviation(rewards, settings.std);
  const advantages: number[] = [];
  let withoutSpread = 0;
  for (let start = 0; start < rewards.length; start += group) {
    const own = rewards.slice(start, start + group);
    const mean = meanOf(own);
    const spread = settings.scale === 'batch' ? batchStd : standardDeviation(own, settings.std);
    const divisor = settings.scale === 'none' ? 1 : spread + settings.epsilon;
    // A group whose rewards are equal has advantage 0 exactly, whatever rounding does to their mean and whatever epsilon is.
    const equal = areEqual(own) || divisor === 0;
    if (equal) withoutSpread += own.length;
    for (const r of own) advantages.push(equal ? 0 : (r - mean) / divisor);
  }
  if (settings.scale === 'batch') withoutSpread = areEqual(rewards) ? rewards.length : 0;
  return { advantages, fractionWithoutSpread: withoutSpread / rewards.length };
};
