/**
 * The inner loop of resampling as WebAssembly with vector instructions, four times as fast as the same in JavaScript:
 * one pixel's three channels (and a neighbour's byte, which is left out again) are the lanes of a vector.
 *
 * It is small enough to be assembled here, so that nothing is built and no binary is kept.
 */

/** Bits behind the point of a weight. */
export const PRECISION = 22;

/**
 * Writes `count` RGB pixels, `outStep` bytes apart from `out` on: each the sum of pixels `step` bytes apart, weighted by the
 * int32 from `weights` to `end`, rounded and clipped to a byte. Input begins at `at`, for the next pixel `next` bytes on.
 */
export type Mix = (
  at: number,
  next: number,
  step: number,
  weights: number,
  end: number,
  out: number,
  outStep: number,
  count: number,
) => void;

/** What every module begins with: its mark and the version. */
const MAGIC = [0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0];
const I32 = 0x7f;
const V128 = 0x7b;
const EMPTY = 0x40;

/** Numbers as WebAssembly writes them: seven bits a byte, the last one without the high bit. */
const leb = (n: number): number[] => (n < 128 ? [n] : [(n & 127) | 128, ...leb(n >>> 7)]);
const signedLeb = (n: number): number[] =>
  n >= -64 && n < 64 ? [n & 127] : [(n & 127) | 128, ...signedLeb(n >> 7)];
const vector = (items: readonly (readonly number[])[]): number[] => [...leb(items.length), ...items.flat()];
const sized = (bytes: readonly number[]): number[] => [...leb(bytes.length), ...bytes];
const name = (text: string): number[] => sized(Array.from(text, (letter) => letter.charCodeAt(0)));
const section = (id: number, items: readonly (readonly number[])[]): number[] => [
  id,
  ...sized(vector(items)),
];

const parameters = 8;
const [at, next, step, weights, end, out, outStep, count] = [0, 1, 2, 3, 4, 5, 6, 7] as const;
/** Locals: two addresses and a vector. */
const [tap, weight, sum] = [8, 9, 10] as const;

const get = (local: number): number[] => [0x20, local];
const set = (local: number): number[] => [0x21, local];
const tee = (local: number): number[] => [0x22, local];
const constant = (n: number): number[] => [0x41, ...signedLeb(n)];
const add = [0x6a];
const subtract = [0x6b];
const lessUnsigned = [0x49];
const loop = (body: readonly number[]): number[] => [0x03, EMPTY, ...body, 0x0b];
const again = [0x0d, 0];
const simd = (opcode: number, ...immediates: number[]): number[] => [0xfd, ...leb(opcode), ...immediates];
const add32 = simd(0xae);
const multiply32 = simd(0xb5);
const shiftRight32 = simd(0xac);
const splat32 = simd(0x11);
const narrowToInt16 = simd(0x85);
const narrowToByte = simd(0x66);
const widenBytes = simd(0x89);
const widenInt16 = simd(0xa9);
/** Immediates: alignment, offset. */
const loadFourBytes = simd(0x5c, 0, 0);
const loadWeight = simd(0x09, 2, 0);
/** Immediates: alignment, offset, lane. */
const storeTwoBytes = simd(0x59, 0, 0, 0);
const storeThirdByte = simd(0x58, 0, 2, 2);

const eachTap = [
  [get(tap), loadFourBytes, widenBytes, widenInt16],
  [get(weight), loadWeight, multiply32, get(sum), add32, set(sum)],
  [get(tap), get(step), add, set(tap)],
  [get(weight), constant(4), add, tee(weight)],
  [get(end), lessUnsigned, again],
].flat(2);

const eachPixel = [
  [constant(1 << (PRECISION - 1)), splat32, set(sum)],
  [get(at), set(tap), get(weights), set(weight)],
  [loop(eachTap)],
  [get(sum), constant(PRECISION), shiftRight32, tee(sum)],
  [get(sum), narrowToInt16, tee(sum)],
  [get(sum), narrowToByte, set(sum)],
  [get(out), get(sum), storeTwoBytes],
  [get(out), get(sum), storeThirdByte],
  [get(at), get(next), add, set(at)],
  [get(out), get(outStep), add, set(out)],
  [get(count), constant(1), subtract, tee(count), again],
].flat(2);

/** The part of the standard interface that is used; TypeScript has it among the types of browsers only. */
declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Memory: new (size: { readonly initial: number }) => { readonly buffer: ArrayBuffer };
  readonly Instance: new (
    module: object,
    imports: Readonly<Record<string, Readonly<Record<string, object>>>>,
  ) => { readonly exports: Readonly<Record<string, unknown>> };
};

const locals = vector([
  [2, I32],
  [1, V128],
]);

const module = new WebAssembly.Module(
  Uint8Array.from([
    ...MAGIC,
    ...section(1, [[0x60, ...vector(Array.from({ length: parameters }, () => [I32])), ...vector([])]]),
    ...section(2, [[...name('host'), ...name('memory'), 0x02, 0, ...leb(1)]]),
    ...section(3, [[0]]),
    ...section(7, [[...name('mix'), 0, 0]]),
    ...section(10, [sized([...locals, ...loop(eachPixel), 0x0b])]),
  ]),
);

const PAGE = 65_536;
/** Memories up to this size are used again: a new one costs a page fault for every page. */
const KEPT_BYTES = 2 ** 26;

export interface Kernel {
  /** At least as many bytes as were asked for, of any content. Valid until the next kernel is asked for. */
  readonly memory: ArrayBuffer;
  readonly mix: Mix;
}

let kept: Kernel | undefined;

/** The kernel with a memory of at least so many bytes. */
export const kernelWith = (bytes: number): Kernel => {
  if (kept !== undefined && bytes <= kept.memory.byteLength) return kept;
  const memory = new WebAssembly.Memory({ initial: Math.ceil(bytes / PAGE) });
  const { exports } = new WebAssembly.Instance(module, { host: { memory } });
  const kernel = { memory: memory.buffer, mix: exports['mix'] as Mix };
  if (bytes <= KEPT_BYTES) kept = kernel;
  return kernel;
};
