/** What a value holds. Only float32, int32 and bool cross the runtime's boundary; the others live inside a graph. */
export type DType = 'float32' | 'int32' | 'bool' | 'bfloat16' | 'uint64' | 'resource';

/** The arrays that are fed to and fetched from a graph; bool travels as Uint8Array. */
export type HostArray = Float32Array | Int32Array | Uint8Array;

export const isFloat = (dtype: DType): boolean => dtype === 'float32' || dtype === 'bfloat16';
