/**
 * Similarity of two texts as Python's `difflib.SequenceMatcher(None, a, b).ratio()` computes it: 2·M / T, where M is the
 * number of characters in the matching blocks and T the length of both texts.
 *
 * Blocks: the longest common run, the earliest in `a`, then in `b`, and the same again left and right of it (Ratcliff
 * and Obershelp 1988). "autojunk": in a `b` of 200 characters or more, a character that makes up over 1 % of it starts
 * no run, though a run may grow over it; this lowers ratios of long texts from .15 to .01 and upstream scores depend on
 * it. Characters are code points, as in Python.
 */

/** Where each character stands in `b`, without those that autojunk takes out. */
function positionsOf(b: readonly string[]): Map<string, number[]> {
  const positions = new Map<string, number[]>();
  b.forEach((char, j) => {
    const found = positions.get(char);
    if (found === undefined) positions.set(char, [j]);
    else found.push(j);
  });
  if (b.length >= 200) {
    const most = Math.floor(b.length / 100) + 1;
    for (const [char, found] of positions) if (found.length > most) positions.delete(char);
  }
  return positions;
}

/** Ratio of `a` to `b`, 0 to 1. It is not symmetric. */
export function similarity(a: string, b: string): number {
  const left = Array.from(a);
  const right = Array.from(b);
  const length = left.length + right.length;
  if (length === 0) return 1;
  const positions = positionsOf(right);

  /** Longest run common to left[aLow, aHigh) and right[bLow, bHigh). */
  const longest = (aLow: number, aHigh: number, bLow: number, bHigh: number) => {
    let [bestA, bestB, size] = [aLow, bLow, 0];
    let endingAt = new Map<number, number>(); // length of the run that ends at left[i - 1], right[j]
    for (let i = aLow; i < aHigh; i += 1) {
      const next = new Map<number, number>();
      for (const j of positions.get(left[i]!) ?? []) {
        if (j < bLow) continue;
        if (j >= bHigh) break;
        const run = (endingAt.get(j - 1) ?? 0) + 1;
        next.set(j, run);
        if (run > size) [bestA, bestB, size] = [i - run + 1, j - run + 1, run];
      }
      endingAt = next;
    }
    while (bestA > aLow && bestB > bLow && left[bestA - 1] === right[bestB - 1])
      [bestA, bestB, size] = [bestA - 1, bestB - 1, size + 1];
    while (bestA + size < aHigh && bestB + size < bHigh && left[bestA + size] === right[bestB + size])
      size += 1;
    return { bestA, bestB, size };
  };

  let matched = 0;
  const open: [number, number, number, number][] = [[0, left.length, 0, right.length]];
  for (let range = open.pop(); range !== undefined; range = open.pop()) {
    const [aLow, aHigh, bLow, bHigh] = range;
    const { bestA, bestB, size } = longest(aLow, aHigh, bLow, bHigh);
    if (size === 0) continue;
    matched += size;
    if (aLow < bestA && bLow < bestB) open.push([aLow, bestA, bLow, bestB]);
    if (bestA + size < aHigh && bestB + size < bHigh) open.push([bestA + size, aHigh, bestB + size, bHigh]);
  }
  return (2 * matched) / length;
}
