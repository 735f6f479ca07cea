/** What a training reads from folders, by digest: equal digests, equal inputs, wherever the folders lie. */
import { readFile, readdir } from 'node:fs/promises';
import path from 'node:path';
import type { z } from 'zod';
import { digestOf, digestOfBytes } from '../../artifacts/canonical.ts';
import type { Digest } from '../../schemas/digest.ts';
import { COMPANIONS } from '../nn/checkpoint/write-checkpoint.ts';
import { readJsonl } from './jsonl.ts';

const digestOfFile = async (file: string): Promise<Digest> => digestOfBytes(await readFile(file));

/** Digest of a JSONL file's rows in their order, with the bytes of the images in the place of their paths. */
export const rowsDigest = async (
  file: string,
  schema: z.ZodType<{ readonly images: readonly string[] }>,
): Promise<Digest> => {
  const known = new Map<string, Digest>();
  const digestOfImage = async (image: string): Promise<Digest> => {
    const digest = known.get(image) ?? (await digestOfFile(path.resolve(path.dirname(file), image)));
    known.set(image, digest);
    return digest;
  };
  const rows: object[] = [];
  for await (const row of readJsonl(file, schema)) {
    const images: Digest[] = [];
    for (const image of row.images) images.push(await digestOfImage(image));
    rows.push({ ...row, images });
  }
  return digestOf(rows);
};

/** Digest of what lies beside a model's weights: its configuration, tokenizer, template and settings. */
export const companionsDigest = async (model: string): Promise<Digest> => {
  const names = (await readdir(model)).filter((name) => name === 'config.json' || COMPANIONS.includes(name));
  const files = names.map(async (name) => [name, await digestOfFile(path.join(model, name))] as const);
  return digestOf(Object.fromEntries(await Promise.all(files)));
};
