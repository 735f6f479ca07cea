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

/** The upper 32 bits of a product of two unsigned 32-bit integers. */
function high(a: number, b: number): number {
  const [aLow, aHigh, bLow, bHigh] = [a & 0xffff, a >>> 16, b & 0xffff, b >>> 16];
  const middle = aHigh * bLow + Math.floor((aLow * bLow) / 0x10000);
  const carry = aLow * bHigh + (middle % 0x10000);
  return (aHigh * bHigh + Math.floor(middle / 0x10000) + Math.floor(carry / 0x10000)) >>> 0;
}

/** Four random 32-bit words for a counter of four words. */
export function philox(
  counter: readonly [number, number, number, number],
  key: RandomKey,
): [number, number, number, number] {
  let [c0, c1, c2, c3] = counter;
  let [k0, k1] = key;
  for (let round = 0; round < 10; round++) {
    const [high0, high1] = [high(multiplier0, c0), high(multiplier1, c2)];
    const [low0, low1] = [Math.imul(multiplier0, c0) >>> 0, Math.imul(multiplier1, c2) >>> 0];
    [c0, c1, c2, c3] = [(high1 ^ c1 ^ k0) >>> 0, low1, (high0 ^ c3 ^ k1) >>> 0, low0];
    [k0, k1] = [(k0 + weyl0) >>> 0, (k1 + weyl1) >>> 0];
  }
  return [c0, c1, c2, c3];
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
  const out = new Uint32Array(count);
  let block: readonly number[] = [];
  let loaded = -1;
  for (let i = 0; i < count; i++) {
    const [at, lane] = [Math.floor((from + i) / 4), (from + i) % 4];
    if (at !== loaded) {
      block = philox([at >>> 0, Math.floor(at / 2 ** 32), 0, 0], key);
      loaded = at;
    }
    out[i] = block[lane] ?? 0;
  }
  return out;
}

/** Numbers in [0, 1) with 24 random bits each, exact in float32. */
export function uniform(key: RandomKey, count: number, from = 0): Float32Array {
  return Float32Array.from(words(key, count, from), (word) => (word >>> 8) / 2 ** 24);
}

/** Standard normal numbers by Box and Muller's transform; numbers 2i and 2i + 1 come from words 2i and 2i + 1. */
export function normal(key: RandomKey, count: number): Float32Array {
  const source = words(key, count + (count % 2));
  return Float32Array.from({ length: count }, (_, i) => {
    const [a = 0, b = 0] = source.subarray(i - (i % 2), i - (i % 2) + 2);
    const radius = Math.sqrt(-2 * Math.log((a + 1) / 2 ** 32));
    const angle = (2 * Math.PI * b) / 2 ** 32;
    return radius * (i % 2 === 0 ? Math.cos(angle) : Math.sin(angle));
  });
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
