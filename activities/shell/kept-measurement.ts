import { readFile } from 'node:fs/promises';
import { z } from 'zod';

/** What was kept of a measurement is not readable. */
export class DamagedMeasurement extends Error {
  override readonly name = 'DamagedMeasurement';
}

/** What an earlier process measured on this machine and kept; undefined where none did. Throws {@link DamagedMeasurement}. */
export async function keptMeasurement<T>(file: string, schema: z.ZodType<T>): Promise<T | undefined> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  try {
    return schema.parse(JSON.parse(text));
  } catch (error) {
    const why = error instanceof z.ZodError ? z.prettifyError(error) : (error as Error).message;
    throw new DamagedMeasurement(`${file} is damaged (${why}): remove it, and measure again`, {
      cause: error,
    });
  }
}
