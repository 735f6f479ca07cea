import { assemble, type FunctionCode } from './assembler.ts';

export interface Memory {
  readonly buffer: ArrayBuffer;
  grow(pages: number): number;
}

/** What an instance gives out: its memory, and its functions by name. */
export interface Exports {
  readonly memory: Memory;
}

/** The part of the standard interface that is used; TypeScript has it among the types of browsers only. */
declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object) => { readonly exports: Exports };
};

const PAGE = 1 << 16;

/** Compiles functions once; each call of what this gives makes an instance of them, with a memory of its own. */
export const compile = (functions: readonly FunctionCode[]): (() => Exports) => {
  const module = new WebAssembly.Module(assemble(functions));
  return () => new WebAssembly.Instance(module).exports;
};

/** Grows a memory to at least so many bytes, which leaves arrays over its buffer without any. */
export const growTo = (memory: Memory, bytes: number): void => {
  const missing = bytes - memory.buffer.byteLength;
  if (missing > 0) memory.grow(Math.ceil(missing / PAGE));
};
