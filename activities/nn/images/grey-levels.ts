/** Values by stored value: the first entry is for `first` and everything below it, the last for everything above. */
export interface LookupTable {
  readonly first: number;
  readonly entries: ArrayLike<number>;
  /** Bits of an entry: white is `2 ** bits - 1`. */
  readonly bits: number;
}

/** DICOM's modality transformation: from stored values to those of the modality, such as Hounsfield units. */
export type Modality = LookupTable | { readonly slope: number; readonly intercept: number };

/** DICOM's VOI transformation: which values of the modality become which grey level. */
export type Voi =
  | LookupTable
  | {
      readonly shape: 'LINEAR' | 'LINEAR_EXACT' | 'SIGMOID';
      readonly center: number;
      readonly width: number;
    };

/** Grey pixels as they are stored: the low `bits` bits count, in two's complement where `signed`. */
export interface StoredGrey {
  readonly values: Uint8Array | Uint16Array;
  readonly bits: number;
  readonly signed: boolean;
}

const look = ({ first, entries }: LookupTable, value: number): number =>
  entries[Math.min(Math.max(Math.floor(value) - first, 0), entries.length - 1)]!;

const modal = (modality: Modality, stored: number): number =>
  'entries' in modality ? look(modality, stored) : stored * modality.slope + modality.intercept;

/** Grey levels between 0 and 255, not rounded, by PS3.3 C.11.2.1.2 and C.11.2.1.3. */
const windowed = (voi: Voi, value: number): number => {
  if ('entries' in voi) return (look(voi, value) / (2 ** voi.bits - 1)) * 255;
  if (voi.shape === 'SIGMOID') return 255 / (1 + Math.exp((-4 * (value - voi.center)) / voi.width));
  const [center, width] =
    voi.shape === 'LINEAR' ? [voi.center - 0.5, voi.width - 1] : [voi.center, voi.width];
  if (value <= center - width / 2) return 0;
  if (value > center + width / 2) return 255;
  return ((value - center) / width + 0.5) * 255;
};

/** The number that a pattern of bits stands for. */
const storedValue = (pattern: number, bits: number, signed: boolean): number =>
  signed && pattern >= 2 ** (bits - 1) ? pattern - 2 ** bits : pattern;

/**
 * Grey levels of 8 bits, one a pixel: modality transformation, then the VOI's, rounded halves up; black and white
 * changed last where `inverted`.
 *
 * Without a VOI the least value of the frame becomes 0 and the greatest 255, stored values from `padding[0]` to
 * `padding[1]` left out of account. A frame of one value is 0.
 *
 * Reference: DICOM PS3.3 C.11.1 and C.11.2; pydicom `pixels/processing.py`, `apply_modality_lut`, `apply_voi_lut`.
 */
export const greyLevels = (
  { values, bits, signed }: StoredGrey,
  modality: Modality,
  voi: Voi | undefined,
  padding: readonly [number, number] | undefined,
  inverted: boolean,
): Uint8Array => {
  const [patterns, mask] = [2 ** bits, 2 ** bits - 1];
  const modalities = Float64Array.from({ length: patterns }, (_, i) =>
    modal(modality, storedValue(i, bits, signed)),
  );
  let level: (value: number) => number;
  if (voi) level = (value) => windowed(voi, value);
  else {
    const isThere = new Uint8Array(patterns);
    for (const value of values) isThere[value & mask] = 1;
    let [least, greatest] = [Infinity, -Infinity];
    for (let i = 0; i < patterns; i++) {
      const stored = storedValue(i, bits, signed);
      if (!isThere[i] || (padding && stored >= padding[0] && stored <= padding[1])) continue;
      least = Math.min(least, modalities[i]!);
      greatest = Math.max(greatest, modalities[i]!);
    }
    const range = greatest > least ? greatest - least : Infinity;
    level = (value) => ((value - least) / range) * 255;
  }
  const levels = new Uint8Array(patterns);
  for (let i = 0; i < patterns; i++) {
    const rounded = Math.floor(Math.min(Math.max(level(modalities[i]!), 0), 255) + 0.5);
    levels[i] = inverted ? 255 - rounded : rounded;
  }
  const grey = new Uint8Array(values.length);
  for (let i = 0; i < values.length; i++) grey[i] = levels[values[i]! & mask]!;
  return grey;
};
