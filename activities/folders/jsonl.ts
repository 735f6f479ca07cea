import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { z } from 'zod';

/** A row of an artifact that does not fit its schema. The message names the file, the line and the field. */
export class BadRow extends Error {
  override name = 'BadRow' as const;
}

/** Reads a JSONL file of one kind of row. Throws {@link BadRow}. */
export async function readRows<T>(folder: string, name: string, schema: z.ZodType<T>): Promise<T[]> {
  const lines = (await readFile(path.join(folder, name), 'utf8')).split('\n');
  if (lines.at(-1) === '') lines.pop();
  return lines.map((line, i) => {
    let json: unknown;
    try {
      json = JSON.parse(line);
    } catch (error) {
      throw new BadRow(`${name}, line ${i + 1}: ${error instanceof Error ? error.message : String(error)}`);
    }
    const parsed = schema.safeParse(json);
    if (parsed.success) return parsed.data;
    const [issue] = parsed.error.issues;
    throw new BadRow(`${name}, line ${i + 1}, field ${issue?.path.join('.') || '(row)'}: ${issue?.message}`);
  });
}

/** Writes rows as JSONL, one a line. */
export const writeRows = (folder: string, name: string, rows: readonly unknown[]): Promise<void> =>
  writeFile(path.join(folder, name), rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
