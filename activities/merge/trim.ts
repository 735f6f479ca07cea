/**
 * Trimming: all but the largest entries of a vector become 0.
 *
 * Exactly k entries stay: those of largest magnitude, and of equal ones those that come first, so that the result does
 * not depend on a sort's whims. The k-th magnitude is found by counting bit patterns, which order float32 magnitudes
 * as integers: one pass over the upper half of the bits and one over the lower.
 */

/** What stays: magnitudes above `bits`, and the first `ties` of those equal to it. */
export interface Threshold {
  readonly bits: number;
  readonly ties: number;
}

/** A vector that is read in parts, twice. */
type Parts = () => Iterable<Float32Array> | AsyncIterable<Float32Array>;

const HALF = 1 << 16;

const magnitudes = (part: Float32Array): Uint32Array =>
  new Uint32Array(part.buffer, part.byteOffset, part.length);

/** From the top bin down: the bin in which the k-th entry lies, and how many entries lie above it. */
const binOf = (counts: Uint32Array, k: number): { readonly bin: number; readonly above: number } => {
  let above = 0;
  let bin = counts.length - 1;
  while (above + counts[bin]! < k) above += counts[bin--]!;
  return { bin, above };
};

/** The threshold that keeps `k` ≥ 1 entries of the whole. */
export const thresholdOf = async (parts: Parts, k: number): Promise<Threshold> => {
  const upper = new Uint32Array(HALF);
  for await (const part of parts()) for (const bits of magnitudes(part)) upper[(bits & 0x7fffffff) >>> 16]!++;
  const { bin, above } = binOf(upper, k);
  const lower = new Uint32Array(HALF);
  for await (const part of parts()) {
    const all = magnitudes(part);
    for (let i = 0; i < all.length; i++)
      if ((all[i]! & 0x7fffffff) >>> 16 === bin) lower[all[i]! & 0xffff]!++;
  }
  const last = binOf(lower, k - above);
  return { bits: bin * HALF + last.bin, ties: k - above - last.above };
};

/** How many of `entries` a density keeps: ⌊density · entries⌋, at least one. */
export const keptOf = (density: number, entries: number): number =>
  Math.max(1, Math.floor(density * entries));

/** Applies a threshold to the parts of a vector, one after another in their order. */
export const createTrimmer = ({ bits, ties }: Threshold): ((part: Float32Array) => void) => {
  let left = ties;
  return (part) => {
    const all = magnitudes(part);
    for (let i = 0; i < part.length; i++) {
      const magnitude = all[i]! & 0x7fffffff;
      if (magnitude > bits || (magnitude === bits && left-- > 0)) continue;
      part[i] = 0;
    }
  };
};

/** Trims one tensor in place. */
export const trimTensor = async (tensor: Float32Array, density: number): Promise<void> => {
  if (density >= 1 || tensor.length === 0) return;
  createTrimmer(await thresholdOf(() => [tensor], keptOf(density, tensor.length)))(tensor);
};
