/**
 * Random numbers as a pure function of a key and an index: Philox 4×32 with ten rounds. A draw does not depend on how many were
 * made before it or on who else draws, so that a resumed or regrouped computation sees the same numbers.
 *
 * Reference: Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3", https://doi.org/10.1145/2063384.2063405.
 */
export type RandomKey = readonly [number, number];

const multiplier0 = 0xd2511f53;
const multiplier1 = 0xcd9e8d57;
const weyl0 = 0x9e3779b9;
const weyl1 = 0xbb67ae85;

/** The upper 32 bits of the product of two unsigned 32-bit integers, given the halves of the first. As a signed number. */
function high(aHigh: number, aLow: number, b: number): number {
  const bHigh = b >>> 16;
  const bLow = b & 0xffff;
  const middle = (Math.imul(aHigh, bLow) + (Math.imul(aLow, bLow) >>> 16)) | 0;
  const carry = (Math.imul(aLow, bHigh) + (middle & 0xffff)) | 0;
  return (Math.imul(aHigh, bHigh) + (middle >>> 16) + (carry >>> 16)) | 0;
}

/**
 * Writes the four words of a counter to `out` from `at` on. Signed 32-bit numbers throughout, and no arrays but `out`: it is
 * drawn with for every weight of a model.
 */
function block(
  out: Uint32Array,
  at: number,
  counter0: number,
  counter1: number,
  counter2: number,
  counter3: number,
  key0: number,
  key1: number,
): void {
  let c0 = counter0 | 0;
  let c1 = counter1 | 0;
  let c2 = counter2 | 0;
  let c3 = counter3 | 0;
  let k0 = key0 | 0;
  let k1 = key1 | 0;
  for (let round = 0; round < 10; round++) {
    const high0 = high(multiplier0 >>> 16, multiplier0 & 0xffff, c0);
    const high1 = high(multiplier1 >>> 16, multiplier1 & 0xffff, c2);
    const low0 = Math.imul(multiplier0, c0);
    const low1 = Math.imul(multiplier1, c2);
    c0 = high1 ^ c1 ^ k0;
    c1 = low1;
    c2 = high0 ^ c3 ^ k1;
    c3 = low0;
    k0 = (k0 + weyl0) | 0;
    k1 = (k1 + weyl1) | 0;
  }
  out[at] = c0;
  out[at + 1] = c1;
  out[at + 2] = c2;
  out[at + 3] = c3;
}

/** Four random 32-bit words for a counter of four words. */
export function philox(
  counter: readonly [number, number, number, number],
  key: RandomKey,
): [number, number, number, number] {
  const out = new Uint32Array(4);
  block(out, 0, ...counter, ...key);
  return [...out] as [number, number, number, number];
}

/** A key of its own for a purpose: a seed and labels such as `'dropout', step`. Different labels give unrelated keys. */
export function randomKey(seed: number, ...labels: readonly (string | number)[]): RandomKey {
  if (!Number.isSafeInteger(seed) || seed < 0)
    throw new RangeError(`seed ${seed} is not a whole number from 0`);
  const start: RandomKey = [seed >>> 0, Math.floor(seed / 2 ** 32)];
  return labels.reduce<RandomKey>((key, label) => {
    const bytes = new TextEncoder().encode(`${typeof label === 'number' ? '#' : '"'}${label}`);
    let mixed = key;
    for (let at = 0; at < bytes.length; at += 8) {
      const word = (from: number): number =>
        [0, 1, 2, 3].reduce((sum, i) => sum + (bytes[from + i] ?? 0) * 256 ** i, 0);
      const [k0, k1] = philox([word(at), word(at + 4), bytes.length, at], mixed);
      mixed = [k0, k1];
    }
    return mixed;
  }, start);
}

/** `count` unsigned 32-bit words, those at indices `from`, `from + 1`, … of the key's sequence. */
function words(key: RandomKey, count: number, from = 0): Uint32Array {
  const skipped = from % 4;
  const blocks = Math.ceil((skipped + count) / 4);
  const first = (from - skipped) / 4;
  const out = new Uint32Array(4 * blocks);
  const [key0, key1] = key;
  for (let i = 0; i < blocks; i++)
    block(out, 4 * i, first + i, Math.floor((first + i) / 2 ** 32), 0, 0, key0, key1);
  return out.subarray(skipped, skipped + count);
}

/** Numbers in [0, 1) with 24 random bits each, exact in float32. */
export function uniform(key: RandomKey, count: number, from = 0): Float32Array {
  const source = words(key, count, from);
  const numbers = new Float32Array(count);
  for (let i = 0; i < count; i++) numbers[i] = (source[i]! >>> 8) / 2 ** 24;
  return numbers;
}

/** Standard normal numbers by Box and Muller's transform; numbers 2i and 2i + 1 come from words 2i and 2i + 1. */
export function normal(key: RandomKey, count: number): Float32Array {
  const source = words(key, count + (count % 2));
  const numbers = new Float32Array(count);
  for (let i = 0; i < count; i += 2) {
    const radius = Math.sqrt(-2 * Math.log((source[i]! + 1) / 2 ** 32));
    const angle = (2 * Math.PI * source[i + 1]!) / 2 ** 32;
    numbers[i] = radius * Math.cos(angle);
    // Behind the end of an array of odd length nothing is written.
    numbers[i + 1] = radius * Math.sin(angle);
  }
  return numbers;
}

/** The numbers 0 … n − 1 in random order, each order equally likely (Fisher and Yates). */
export function permutation(key: RandomKey, n: number): Int32Array {
  const order = Int32Array.from({ length: n }, (_, i) => i);
  let index = 0;
  for (let last = n - 1; last > 0; last--) {
    const range = last + 1;
    const fair = 2 ** 32 - (2 ** 32 % range);
    let word: number;
    do word = words(key, 1, index++)[0] ?? 0;
    while (word >= fair);
    const other = word % range;
    [order[last], order[other]] = [order[other] ?? 0, order[last] ?? 0];
  }
  return order;
}
