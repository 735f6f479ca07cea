/**
 * Element types of safetensors files and their conversion to what JavaScript computes with.
 *
 * Files are little-endian, and so is every machine that Node and TensorFlow share; typed arrays are read as they lie.
 */

/** The supported element types, in the order in which a safetensors writer lays them out (wide ones first). */
export const DTYPES = ['I64', 'F64', 'F32', 'I32', 'BF16', 'F16', 'U8', 'BOOL'] as const;
export type Dtype = (typeof DTYPES)[number];

export type TensorData = Float32Array | Float64Array | BigInt64Array | Int32Array | Uint8Array;

const BYTES: Record<Dtype, number> = { I64: 8, F64: 8, F32: 4, I32: 4, BF16: 2, F16: 2, U8: 1, BOOL: 1 };

/** Bytes of one element. */
export const bytesOf = (dtype: Dtype): number => BYTES[dtype];

export const isDtype = (value: unknown): value is Dtype => DTYPES.some((dtype) => dtype === value);

/** Product of a shape; a scalar has one element. */
export const elementsOf = (shape: readonly number[]): number => shape.reduce((product, n) => product * n, 1);

/** The same bytes at an address that a typed array of `align`-byte elements may start at: copied only if they must be. */
const aligned = (bytes: Uint8Array, align: number): Uint8Array =>
  bytes.byteOffset % align === 0 ? bytes : bytes.slice();

const u16 = (bytes: Uint8Array): Uint16Array => {
  const at = aligned(bytes, 2);
  return new Uint16Array(at.buffer, at.byteOffset, at.byteLength / 2);
};

/** Bit pattern of the float32 that equals a float16; every float16 has one. */
const halfToFloatBits = (h: number): number => {
  const sign = (h & 0x8000) << 16;
  const exponent = (h >> 10) & 0x1f;
  let mantissa = h & 0x3ff;
  if (exponent === 0x1f) return sign | 0x7f800000 | (mantissa << 13);
  if (exponent !== 0) return sign | ((exponent + 112) << 23) | (mantissa << 13);
  if (mantissa === 0) return sign;
  let shift = 0;
  while ((mantissa & 0x400) === 0) {
    mantissa <<= 1;
    shift++;
  }
  return sign | ((113 - shift) << 23) | ((mantissa & 0x3ff) << 13);
};

/** Nearest float16 of a float32 bit pattern, ties to even; beyond the range infinity; NaN stays NaN. */
const floatToHalfBits = (u: number): number => {
  const sign = (u >>> 16) & 0x8000;
  const magnitude = u & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  if (magnitude >= 0x47800000) return sign | 0x7c00;
  if (magnitude >= 0x38800000) {
    const rounded = magnitude + 0xfff + ((magnitude >>> 13) & 1);
    return sign | ((rounded - 0x38000000) >>> 13);
  }
  if (magnitude < 0x33000000) return sign;
  const mantissa = (magnitude & 0x7fffff) | 0x800000;
  const shift = 126 - (magnitude >>> 23);
  const half = 1 << (shift - 1);
  const kept = mantissa >>> shift;
  const rest = mantissa & ((1 << shift) - 1);
  return sign | (kept + (rest > half || (rest === half && (kept & 1) === 1) ? 1 : 0));
};

/** Float32 values of BF16 bytes: the upper half of a float32. */
const fromBfloat16 = (bytes: Uint8Array): Float32Array => {
  const from = u16(bytes);
  const bits = new Uint32Array(from.length);
  for (let i = 0; i < from.length; i++) bits[i] = from[i]! << 16;
  return new Float32Array(bits.buffer);
};

const fromFloat16 = (bytes: Uint8Array): Float32Array => {
  const from = u16(bytes);
  const bits = new Uint32Array(from.length);
  for (let i = 0; i < from.length; i++) bits[i] = halfToFloatBits(from[i]!);
  return new Float32Array(bits.buffer);
};

/** Nearest BF16 of each value, ties to even; NaN stays a quiet NaN of its sign. */
const toBfloat16 = (values: Float32Array): Uint8Array => {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const to = new Uint16Array(values.length);
  for (let i = 0; i < bits.length; i++) {
    const u = bits[i]!;
    to[i] = (u & 0x7fffffff) > 0x7f800000 ? (u >>> 16) | 0x40 : (u + 0x7fff + ((u >>> 16) & 1)) >>> 16;
  }
  return new Uint8Array(to.buffer);
};

const toFloat16 = (values: Float32Array): Uint8Array => {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const to = new Uint16Array(values.length);
  for (let i = 0; i < bits.length; i++) to[i] = floatToHalfBits(bits[i]!);
  return new Uint8Array(to.buffer);
};

/** The tensor as the typed array that holds it without loss; may share memory with `bytes`. */
export const decode = (dtype: Dtype, bytes: Uint8Array): TensorData => {
  const at = aligned(bytes, bytesOf(dtype));
  const length = at.byteLength / bytesOf(dtype);
  switch (dtype) {
    case 'F32':
      return new Float32Array(at.buffer, at.byteOffset, length);
    case 'F64':
      return new Float64Array(at.buffer, at.byteOffset, length);
    case 'I64':
      return new BigInt64Array(at.buffer, at.byteOffset, length);
    case 'I32':
      return new Int32Array(at.buffer, at.byteOffset, length);
    case 'BF16':
      return fromBfloat16(at);
    case 'F16':
      return fromFloat16(at);
    default:
      return at;
  }
};

/**
 * The bytes of a tensor in `dtype`. Float32 values may become any floating type (rounded to nearest even); every
 * other array must already be of the type's own kind.
 */
export const encode = (dtype: Dtype, data: TensorData): Uint8Array => {
  if (data instanceof Float32Array) {
    if (dtype === 'BF16') return toBfloat16(data);
    if (dtype === 'F16') return toFloat16(data);
    if (dtype === 'F64') return encode('F64', Float64Array.from(data));
  }
  const fits =
    (dtype === 'F32' && data instanceof Float32Array) ||
    (dtype === 'F64' && data instanceof Float64Array) ||
    (dtype === 'I64' && data instanceof BigInt64Array) ||
    (dtype === 'I32' && data instanceof Int32Array) ||
    ((dtype === 'U8' || dtype === 'BOOL') && data instanceof Uint8Array);
  if (!fits) throw new TypeError(`cannot write a ${data.constructor.name} as ${dtype}`);
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
};

/** Whether `toFloat32` takes it. */
export const isFloating = (dtype: Dtype): boolean => ['F64', 'F32', 'BF16', 'F16'].includes(dtype);

/** Float32 values of a floating tensor; F64 is rounded to nearest. Throws on integer types. */
export const toFloat32 = (dtype: Dtype, bytes: Uint8Array): Float32Array => {
  const data = decode(dtype, bytes);
  if (data instanceof Float32Array) return data;
  if (data instanceof Float64Array) return Float32Array.from(data);
  throw new TypeError(`a tensor of ${dtype} is not floating-point`);
};
