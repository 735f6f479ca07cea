/** What this folder needs of a file system, so that its code runs on any. `runtime/files.ts` has Node's. */

/** Bytes of a file that can be mapped. */
export interface FileRange {
  /** Absolute. */
  readonly path: string;
  readonly position: number;
  readonly bytes: number;
}

/** A file that is read by position. */
export interface ReadAt {
  /** For error messages. */
  readonly path: string;
  /** What it can be mapped by: an absolute path, where it is a file of the operating system's. */
  readonly mappable?: string;
  /** Bytes. */
  readonly size: number;
  /** Exactly `length` bytes from `position`; throws if the file ends before. */
  read(position: number, length: number): Promise<Uint8Array>;
  /** Fills the array with the bytes from `position`; throws if the file ends before. */
  readInto(position: number, bytes: Uint8Array): Promise<void>;
  close(): Promise<void>;
}

/** A file that is written, from its start to its end or by position. */
export interface Write {
  readonly path: string;
  /** Behind what was written this way before. */
  write(bytes: Uint8Array): Promise<void>;
  writeAt(position: number, bytes: Uint8Array): Promise<void>;
  /** The file is complete only after this. */
  close(): Promise<void>;
}

/** One folder's files, by plain name (no subfolders). */
export interface ReadFolder {
  readonly path: string;
  list(): Promise<readonly string[]>;
  readText(name: string): Promise<string>;
  open(name: string): Promise<ReadAt>;
}

export interface WriteFolder {
  readonly path: string;
  create(name: string): Promise<Write>;
}

/** A file that should be JSON and is not. */
export class JsonError extends Error {
  override readonly name = 'JsonError';
}

/** Reads and parses a whole JSON file. */
export const readJson = async (folder: ReadFolder, name: string): Promise<unknown> => {
  const text = await folder.readText(name);
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new JsonError(`${folder.path}/${name} is not JSON: ${(error as Error).message}`, { cause: error });
  }
};

const encoder = new TextEncoder();

/** Writes one whole text file. */
export const writeText = async (folder: WriteFolder, name: string, text: string): Promise<void> => {
  const file = await folder.create(name);
  await file.write(encoder.encode(text));
  await file.close();
};

/** JSON as Hugging Face writes it: two spaces, a final newline, keys in the order given. */
export const writeJson = (folder: WriteFolder, name: string, value: unknown): Promise<void> =>
  writeText(folder, name, `${JSON.stringify(value, null, 2)}\n`);
