import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import type { z } from 'zod';

/** A line of a JSONL file is not JSON, or not what its schema says. */
export class BadRow extends Error {
  override readonly name = 'BadRow';
  constructor(file: string, line: number, problem: string, cause?: unknown) {
    super(`${file}:${line}: ${problem}`, { cause });
  }
}

/** One line as its schema has it; `file` and `line` name it in the error. */
export function parseRow<T>(schema: z.ZodType<T>, text: string, file: string, line: number): T {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new BadRow(file, line, 'this line is not JSON', error);
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issues = parsed.error.issues.map(({ path, message }) => `${path.join('.') || 'the row'}: ${message}`);
  throw new BadRow(file, line, issues.join('; '));
}

/** Rows of a JSONL file, one at a time; empty lines are passed over. */
export async function* readJsonl<T>(file: string, schema: z.ZodType<T>): AsyncGenerator<T> {
  const lines = createInterface({ input: createReadStream(file), crlfDelay: Infinity });
  let number = 0;
  for await (const line of lines) {
    number += 1;
    if (line.trim() !== '') yield parseRow(schema, line, file, number);
  }
}

/** Writes rows, one a line, in the order given. The file must not be there. */
export async function writeJsonl(
  file: string,
  rows: Iterable<unknown> | AsyncIterable<unknown>,
): Promise<void> {
  const handle = await open(file, 'wx');
  try {
    for await (const row of rows) await handle.write(`${JSON.stringify(row)}\n`);
  } finally {
    await handle.close();
  }
}

/** All rows of a JSONL file. Throws {@link BadRow}. */
export async function readRows<T>(file: string, schema: z.ZodType<T>): Promise<T[]> {
  const rows: T[] = [];
  for await (const row of readJsonl(file, schema)) rows.push(row);
  return rows;
}
