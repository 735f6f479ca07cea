import type { ReadFolder, WriteFolder } from '../../../../activities/nn/checkpoint/files.ts';

export interface MemoryFolder extends ReadFolder, WriteFolder {
  readonly files: Map<string, Uint8Array>;
  put(name: string, content: string | Uint8Array | object): void;
}

/** A folder whose files are in memory, called `mem`. */
export const memoryFolder = (): MemoryFolder => {
  const files = new Map<string, Uint8Array>();
  const get = (name: string): Uint8Array => {
    const bytes = files.get(name);
    if (bytes === undefined) throw new Error(`mem/${name} is not there`);
    return bytes;
  };
  return {
    path: 'mem',
    files,
    put(name, content) {
      const text = typeof content === 'string' ? content : JSON.stringify(content);
      files.set(name, content instanceof Uint8Array ? content : new TextEncoder().encode(text));
    },
    list: async () => [...files.keys()].toSorted(),
    readText: async (name) => new TextDecoder().decode(get(name)),
    async open(name) {
      const bytes = get(name);
      return {
        path: `mem/${name}`,
        size: bytes.byteLength,
        async read(position, length) {
          if (position + length > bytes.byteLength) throw new Error(`mem/${name} ends before`);
          return bytes.slice(position, position + length);
        },
        close: async () => {},
      };
    },
    async create(name) {
      const parts: Uint8Array[] = [];
      return {
        path: `mem/${name}`,
        write: async (bytes) => void parts.push(bytes.slice()),
        close: async () => void files.set(name, new Uint8Array(Buffer.concat(parts))),
      };
    },
  };
};
