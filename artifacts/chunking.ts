import { CHUNK_BYTES } from '../schemas/manifest.ts';

/** How many chunks a file of `size` bytes has: none if it is empty. */
export const chunkCount = (size: number): number => Math.ceil(size / CHUNK_BYTES);

/** Bytes in chunk `index` of a file of `size` bytes: 8 MiB, the last one what is left. */
export const chunkSize = (size: number, index: number): number =>
  Math.min(CHUNK_BYTES, size - index * CHUNK_BYTES);
