import { expect } from 'vitest';

/** Fails where |actual − expected| > atol + rtol · |expected| anywhere, and prints the worst element, its index and both values. */
export function expectAllClose(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  { rtol, atol }: { readonly rtol: number; readonly atol: number },
  label = 'values',
): void {
  expect(actual.length, `${label}: number of elements`).toBe(expected.length);
  let worst = { index: -1, excess: 0 };
  for (let index = 0; index < expected.length; index++) {
    const [a, e] = [actual[index] ?? Number.NaN, expected[index] ?? Number.NaN];
    const excess = Math.abs(a - e) / (atol + rtol * Math.abs(e));
    if (Number.isNaN(excess) ? !(Number.isNaN(a) && Number.isNaN(e)) : excess > worst.excess)
      worst = { index, excess: Number.isNaN(excess) ? Number.POSITIVE_INFINITY : excess };
  }
  if (worst.excess > 1) {
    const [a, e] = [actual[worst.index], expected[worst.index]];
    expect.fail(
      `${label}: worst element ${worst.index} of ${expected.length} is ${a}, expected ${e}: ` +
        `off by ${Math.abs((a ?? 0) - (e ?? 0))}, ${worst.excess.toFixed(2)} times what rtol ${rtol} and atol ${atol} allow`,
    );
  }
}
