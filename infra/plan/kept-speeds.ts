/** Speeds that `plan --measure` found on this machine, kept beside its other measurements. */
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { digestOf, hexOf } from '../../artifacts/canonical.ts';
import { SpeedProbe } from '../../schemas/speed-probe.ts';

/** A file of kept speeds cannot be read. */
export class BadSpeeds extends Error {
  override readonly name = 'BadSpeeds';
}

const fileOf = (folder: string, setting: unknown): string =>
  path.join(folder, `speeds-${hexOf(digestOf(setting)).slice(0, 16)}.json`);

/** What was measured in a setting; undefined where nothing was. Throws {@link BadSpeeds}. */
export async function keptSpeeds(folder: string, setting: unknown): Promise<SpeedProbe | undefined> {
  const file = fileOf(folder, setting);
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  try {
    return SpeedProbe.parse(JSON.parse(text));
  } catch (error) {
    const why = error instanceof z.ZodError ? z.prettifyError(error) : (error as Error).message;
    throw new BadSpeeds(`${file} is damaged (${why}): remove it, or measure again with --measure`, {
      cause: error,
    });
  }
}

/** Keeps what was measured in a setting, in place of what was before. */
export async function keepSpeeds(folder: string, setting: unknown, probe: SpeedProbe): Promise<void> {
  const file = fileOf(folder, setting);
  await mkdir(folder, { recursive: true });
  const whole = `${file}.${process.pid}`;
  await writeFile(whole, `${JSON.stringify(probe, null, 1)}\n`);
  await rename(whole, file);
}
