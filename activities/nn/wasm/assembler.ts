/**
 * An assembler for WebAssembly: as much of the binary format as loops over vectors of numbers need.
 *
 * A value is the bytes that leave it on the stack, a statement the bytes that leave nothing. WebAssembly computes the same
 * bits on every processor, four float32 at a time, which neither JavaScript nor TensorFlow does.
 * Reference: https://webassembly.github.io/spec/core/binary/index.html
 */
export type Kind = 'i32' | 'f32' | 'f64' | 'v128';
type Code = readonly number[];

export interface Value<K extends Kind> {
  readonly kind: K;
  readonly code: Code;
}

export type Statement = Code;

/** A parameter or variable of a function. */
export interface Local<K extends Kind> extends Value<K> {
  readonly set: (value: Value<K>) => Statement;
}

const TYPES: Readonly<Record<Kind, number>> = { i32: 0x7f, f32: 0x7d, f64: 0x7c, v128: 0x7b };
const EMPTY = 0x40;
const SIMD = 0xfd;
const [LOOP, IF, ELSE, END, BRANCH_IF] = [0x03, 0x04, 0x05, 0x0b, 0x0d];
/** The first bytes of a module: its mark and the version of the format. */
const HEAD = [0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0];

/** LEB128 of an unsigned number. */
const unsigned = (n: number): number[] => (n < 128 ? [n] : [(n & 127) | 128, ...unsigned(n >>> 7)]);

/** LEB128 of a signed 32-bit number. */
const signed = (n: number): number[] =>
  n >= -64 && n < 64 ? [n & 127] : [(n & 127) | 128, ...signed(n >> 7)];

type Values<Kinds extends readonly Kind[]> = { [I in keyof Kinds]: Value<Kinds[I]> };

/** An instruction that takes values of the given kinds off the stack and leaves one. */
const instruction =
  <K extends Kind, const Operands extends readonly Kind[]>(kind: K, _operands: Operands, ...code: number[]) =>
  (...values: Values<Operands>): Value<K> => ({
    kind,
    code: [...(values as readonly Value<Kind>[]).flatMap((value) => value.code), ...code],
  });

const simd = <K extends Kind, const Operands extends readonly Kind[]>(
  kind: K,
  operands: Operands,
  code: number,
  ...immediate: number[]
) => instruction(kind, operands, SIMD, ...unsigned(code), ...immediate);

/** Alignment (log₂ of bytes; only a hint) and offset of an access. */
const access = (offset: number): number[] => [0, ...unsigned(offset)];

const store =
  <K extends Kind>(_kind: K, ...code: number[]) =>
  (address: Value<'i32'>, value: Value<K>, offset = 0): Statement => [
    ...address.code,
    ...value.code,
    ...code,
    ...access(offset),
  ];

const load =
  <K extends Kind>(kind: K, ...code: number[]) =>
  (address: Value<'i32'>, offset = 0): Value<K> => ({
    kind,
    code: [...address.code, ...code, ...access(offset)],
  });

/** Stores one lane of as many bits as the instruction says. */
const storeLane =
  (code: number) =>
  (address: Value<'i32'>, value: Value<'v128'>, lane = 0, offset = 0): Statement => [
    ...address.code,
    ...value.code,
    SIMD,
    code,
    ...access(offset),
    lane,
  ];

const binary = ['v128', 'v128'] as const;
const shift = ['v128', 'i32'] as const;

export const i32 = {
  const: (n: number): Value<'i32'> => ({ kind: 'i32', code: [0x41, ...signed(n | 0)] }),
  load: load('i32', 0x28),
  store: store('i32', 0x36),
  add: instruction('i32', ['i32', 'i32'], 0x6a),
  sub: instruction('i32', ['i32', 'i32'], 0x6b),
  shl: instruction('i32', ['i32', 'i32'], 0x74),
  shrU: instruction('i32', ['i32', 'i32'], 0x76),
  and: instruction('i32', ['i32', 'i32'], 0x71),
  eq: instruction('i32', ['i32', 'i32'], 0x46),
  gtS: instruction('i32', ['i32', 'i32'], 0x4a),
  ltU: instruction('i32', ['i32', 'i32'], 0x49),
};

export const v128 = {
  load: load('v128', SIMD, 0),
  /** Four unsigned 16-bit numbers as 32-bit ones. */
  load16x4: load('v128', SIMD, 4),
  /** One 32-bit number in every lane. */
  load32Splat: load('v128', SIMD, 9),
  /** One 32-bit number in the lowest lane, 0 in the others. */
  load32Zero: load('v128', SIMD, 0x5c),
  store: store('v128', SIMD, 11),
  store8: storeLane(0x58),
  store16: storeLane(0x59),
  store64: storeLane(0x5b),
  and: simd('v128', binary, 0x4e),
  or: simd('v128', binary, 0x50),
  /** Bits of the first where the third has 1, of the second elsewhere. */
  select: simd('v128', ['v128', 'v128', 'v128'], 0x52),
  anyTrue: simd('i32', ['v128'], 0x53),
  /** The upper half in place of the lower. */
  high: (value: Value<'v128'>): Value<'v128'> => ({
    kind: 'v128',
    code: [...value.code, ...value.code, SIMD, 0x0d, ...Array.from({ length: 16 }, (_, i) => 8 + i)],
  }),
};

export const i8x16 = {
  /** The lower eight, as unsigned numbers, in 16 bits each. */
  widen: simd('v128', ['v128'], 0x89),
};

export const i16x8 = {
  /** The lower four, as unsigned numbers, in 32 bits each. */
  widen: simd('v128', ['v128'], 0xa9),
  /** Clipped to unsigned bytes, in the lower half and again in the upper. */
  narrow: (value: Value<'v128'>): Value<'v128'> => simd('v128', binary, 0x66)(value, value),
};

export const i32x4 = {
  splat: simd('v128', ['i32'], 17),
  lane: (value: Value<'v128'>, lane: number): Value<'i32'> => simd('i32', ['v128'], 27, lane)(value),
  eq: simd('v128', binary, 0x37),
  gtS: simd('v128', binary, 0x3b),
  shl: simd('v128', shift, 0xab),
  shrS: simd('v128', shift, 0xac),
  shrU: simd('v128', shift, 0xad),
  add: simd('v128', binary, 0xae),
  sub: simd('v128', binary, 0xb1),
  mul: simd('v128', binary, 0xb5),
  maxS: simd('v128', binary, 0xb8),
  /** Clipped to unsigned 16-bit numbers, in the lower half and again in the upper. */
  narrow: (value: Value<'v128'>): Value<'v128'> => simd('v128', binary, 0x86)(value, value),
};

export const f32x4 = {
  splat: simd('v128', ['f32'], 19),
  eq: simd('v128', binary, 0x41),
  ne: simd('v128', binary, 0x42),
  lt: simd('v128', binary, 0x43),
  gt: simd('v128', binary, 0x44),
  ge: simd('v128', binary, 0x46),
  add: simd('v128', binary, 0xe4),
  sub: simd('v128', binary, 0xe5),
  mul: simd('v128', binary, 0xe6),
  div: simd('v128', binary, 0xe7),
};

export const f64x2 = {
  /** The two lower float32 as float64. */
  promote: simd('v128', ['v128'], 0x5f),
  add: simd('v128', binary, 0xf0),
  mul: simd('v128', binary, 0xf2),
};

/** Runs `body` where the condition is not 0, and `otherwise` elsewhere. */
export const when = (
  condition: Value<'i32'>,
  body: readonly Statement[],
  otherwise: readonly Statement[] = [],
): Statement => [...condition.code, IF, EMPTY, ...body.flat(), ELSE, ...otherwise.flat(), END];

/** Runs `body` for i = from, from + step, … while i < to, all as unsigned numbers. */
export const loop = (
  i: Local<'i32'>,
  from: Value<'i32'>,
  to: Value<'i32'>,
  step: Value<'i32'>,
  ...body: Statement[]
): Statement => [
  ...i.set(from),
  // Asked before the first round and behind each: one branch a round.
  ...when(i32.ltU(i, to), [
    [LOOP, EMPTY],
    ...body,
    i.set(i32.add(i, step)),
    [...i32.ltU(i, to).code, BRANCH_IF, 0, END],
  ]),
];

const local = <K extends Kind>(kind: K, index: number): Local<K> => ({
  kind,
  code: [0x20, ...unsigned(index)],
  set: (value) => [...value.code, 0x21, ...unsigned(index)],
});

export interface FunctionCode {
  readonly name: string;
  readonly parameters: readonly Kind[];
  readonly variables: readonly Kind[];
  readonly result: boolean;
  readonly body: Code;
}

/** What a function's builder declares variables with. */
export interface Scope {
  readonly variable: <K extends Kind>(kind: K) => Local<K>;
}

/** A function of parameters by name; it gives an i32 where `build` ends with a value instead of a statement. */
export const define = <const P extends Readonly<Record<string, Kind>>>(
  name: string,
  parameters: P,
  build: (
    locals: { readonly [N in keyof P]: Local<P[N]> },
    scope: Scope,
  ) => { readonly run: readonly Statement[]; readonly result?: Value<'i32'> },
): FunctionCode => {
  const kinds = Object.values(parameters);
  const variables: Kind[] = [];
  const locals = Object.fromEntries(
    Object.entries(parameters).map(([key, kind], index) => [key, local(kind, index)]),
  ) as { readonly [N in keyof P]: Local<P[N]> } & Record<string, Local<Kind>>;
  const { run, result } = build(locals, {
    variable: (kind) => local(kind, kinds.length + variables.push(kind) - 1),
  });
  return {
    name,
    parameters: kinds,
    variables,
    result: result !== undefined,
    body: [...run.flat(), ...(result?.code ?? [])],
  };
};

const list = (items: readonly Code[]): number[] => [...unsigned(items.length), ...items.flat()];
const sized = (code: Code): number[] => [...unsigned(code.length), ...code];
const section = (id: number, items: readonly Code[]): number[] => [id, ...sized(list(items))];
const text = (name: string): number[] => sized([...new TextEncoder().encode(name)]);

/** A module that exports the functions by name, and its memory, of one page at first, as `memory`. */
export const assemble = (functions: readonly FunctionCode[]): Uint8Array => {
  const types = functions.map(({ parameters, result }) => [
    0x60,
    ...list(parameters.map((kind) => [TYPES[kind]])),
    ...list(result ? [[TYPES.i32]] : []),
  ]);
  const exports = functions.map(({ name }, i) => [...text(name), 0x00, ...unsigned(i)]);
  const bodies = functions.map(({ variables, body }) =>
    sized([...list(variables.map((kind) => [1, TYPES[kind]])), ...body, END]),
  );
  return Uint8Array.from([
    ...HEAD,
    ...section(1, types),
    ...section(
      3,
      functions.map((_, i) => unsigned(i)),
    ),
    ...section(5, [[0x00, 1]]),
    ...section(7, [...exports, [...text('memory'), 0x02, 0]]),
    ...section(10, bodies),
  ]);
};
