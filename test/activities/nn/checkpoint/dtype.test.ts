import { describe, expect, it } from 'vitest';
import { decode, encode, toFloat32 } from '../../../../activities/nn/checkpoint/dtype.ts';
import { randomKey, uniform } from '../../../../activities/nn/random.ts';

const bitsOf = (x: number): number => new Uint32Array(Float32Array.of(x).buffer)[0]!;
const fromBits = (...bits: number[]): Float32Array => new Float32Array(Uint32Array.from(bits).buffer);
const words = (bytes: Uint8Array): number[] => [
  ...new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.length / 2),
];

/** Float32 bit patterns from everywhere: random ones, and the neighbourhood of every exponent's start. */
const patterns = (): Uint32Array => {
  const random = uniform(randomKey(1, 'patterns'), 60_000);
  const edges = Array.from({ length: 512 }, (_, i) =>
    [-2, -1, 0, 1, 2].map((d) => (i * 0x800000 + d) >>> 0),
  ).flat();
  return Uint32Array.from([...random].map((x, i) => (x * 2 ** 24 * 256 + (i % 256)) >>> 0).concat(edges));
};

/** The values of all 65,536 patterns of a two-byte type. */
const all = (dtype: 'BF16' | 'F16'): Float32Array =>
  toFloat32(dtype, new Uint8Array(Uint16Array.from({ length: 65536 }, (_, i) => i).buffer));

describe.each(['BF16', 'F16'] as const)('%s', (dtype) => {
  it('comes back bit for bit from float32, infinities, subnormals and zeros included', () => {
    const values = all(dtype);
    const back = words(encode(dtype, values));
    const wrong = back.filter((word, i) => word !== i && !Number.isNaN(values[i]!));
    expect(wrong).toEqual([]);
  });

  it('keeps NaN a NaN of its sign, whatever its payload', () => {
    const nans = fromBits(0x7fc00000, 0xffc00000, 0x7f800001, 0xff800001, 0x7fffffff);
    const back = toFloat32(dtype, encode(dtype, nans));
    expect([...back].every(Number.isNaN)).toBe(true);
    const signs = words(encode(dtype, nans)).map((word) => word >>> 15);
    expect(signs).toEqual([0, 1, 0, 1, 0]);
  });

  it('rounds to the nearest value, halves to the even one', () => {
    // By search among all finite values, in order of magnitude: 0 … 0x7bff or 0x7f7f.
    const largest = dtype === 'F16' ? 0x7bff : 0x7f7f;
    const table = all(dtype).subarray(0, largest + 1);
    // Past half a step beyond the largest value lies infinity.
    const overflow = table[largest]! + (table[largest]! - table[largest - 1]!) / 2;
    const nearest = (x: number): number => {
      if (x >= overflow) return largest + 1;
      let [low, high] = [0, largest];
      while (low < high) {
        const middle = (low + high + 1) >> 1;
        if (table[middle]! <= x) low = middle;
        else high = middle - 1;
      }
      if (low === largest) return low;
      const [down, up] = [x - table[low]!, table[low + 1]! - x];
      return down < up || (down === up && low % 2 === 0) ? low : low + 1;
    };
    const values = new Float32Array(patterns().buffer).filter((x) => !Number.isNaN(x));
    const got = words(encode(dtype, values));
    const wrong = [...values].flatMap((x, i) => {
      const want = nearest(Math.abs(x)) | (Object.is(Math.sign(x), -0) || x < 0 ? 0x8000 : 0);
      return want === got[i] ? [] : [{ bits: bitsOf(x).toString(16), want, got: got[i] }];
    });
    expect(wrong.slice(0, 5)).toEqual([]);
    expect(values.length).toBeGreaterThan(50_000);
  });
});

describe('bfloat16', () => {
  it('rounds ties to even', () => {
    expect(words(encode('BF16', fromBits(0x3f808000, 0x3f818000, 0x3f808001, 0x3f807fff)))).toEqual([
      0x3f80, 0x3f82, 0x3f81, 0x3f80,
    ]);
  });

  it('overflows to infinity only past the largest value’s half step', () => {
    expect(words(encode('BF16', fromBits(0x7f7f7fff, 0x7f7f8000, 0xff7fffff)))).toEqual([
      0x7f7f, 0x7f80, 0xff80,
    ]);
  });
});

describe('decode', () => {
  it('reads bytes at any address', () => {
    const odd = new Uint8Array(9).subarray(1);
    odd.set(new Uint8Array(Float32Array.of(1.5, -2).buffer));
    expect([...(decode('F32', odd) as Float32Array)]).toEqual([1.5, -2]);
  });
});

describe('encode and toFloat32', () => {
  it('refuse what would change a value’s kind', () => {
    expect(() => encode('I64', Float32Array.of(1))).toThrow('cannot write a Float32Array as I64');
    expect(() => encode('F32', Int32Array.of(1))).toThrow('cannot write a Int32Array as F32');
    expect(() => toFloat32('I32', new Uint8Array(4))).toThrow('a tensor of I32 is not floating-point');
  });
});
