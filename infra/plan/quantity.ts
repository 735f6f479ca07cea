/** Where a number of a plan comes from. */
export type Origin = 'config' | 'counted' | 'assumed' | 'given' | 'predicted' | 'measured' | 'earlier run';

/** A number and where it comes from. */
export interface Quantity {
  readonly value: number;
  readonly from: Origin;
  /** Of what it was counted, measured or estimated, and where. */
  readonly note?: string;
}

/** From the most to the least certain: what is computed from several numbers is as sure as the least of them. */
const certainty: readonly Origin[] = [
  'config',
  'counted',
  'measured',
  'earlier run',
  'given',
  'predicted',
  'assumed',
];

type Known<Q extends readonly (Quantity | undefined)[]> = undefined extends Q[number]
  ? Quantity | undefined
  : Quantity;

/** A number computed from others; undefined where one of them is not known. */
export function combine<Q extends readonly (Quantity | undefined)[]>(
  of: (...values: number[]) => number,
  ...from: Q
): Known<Q> {
  const known = from.filter((quantity) => quantity !== undefined);
  if (known.length < from.length) return undefined as Known<Q>;
  const least = Math.max(...known.map((quantity) => certainty.indexOf(quantity.from)));
  const computed: Quantity = {
    value: of(...known.map(({ value }) => value)),
    from: certainty[least] ?? 'assumed',
  };
  return computed as Known<Q>;
}

/** Their sum; undefined where one of them is not known. */
export const total = (...quantities: readonly (Quantity | undefined)[]): Quantity | undefined =>
  combine((...values) => values.reduce((sum, value) => sum + value, 0), ...quantities);
