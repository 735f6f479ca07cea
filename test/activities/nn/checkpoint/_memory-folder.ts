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
      const slice = (position: number, length: number): Uint8Array => {
        if (position + length > bytes.byteLength) throw new Error(`mem/${name} ends before`);
        return bytes.slice(position, position + length);
      };
      return {
        path: `mem/${name}`,
        size: bytes.byteLength,
        read: async (position, length) => slice(position, length),
        readInto: async (position, into) => into.set(slice(position, into.byteLength)),
        close: async () => {},
      };
    },
    async create(name) {
      let content = new Uint8Array(0);
      let end = 0;
      const put = (position: number, bytes: Uint8Array): void => {
        const grown = new Uint8Array(Math.max(content.byteLength, position + bytes.byteLength));
        grown.set(content);
        grown.set(bytes, position);
        content = grown;
      };
      return {
        path: `mem/${name}`,
        async write(bytes) {
          put(end, bytes);
          end += bytes.byteLength;
        },
        writeAt: async (position, bytes) => put(position, bytes),
        close: async () => void files.set(name, content),
      };
    },
  };
};
