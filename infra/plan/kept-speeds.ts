/** Speeds that `plan --measure` found on this machine, kept beside its other measurements. */
import { mkdir, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { keptMeasurement } from '../../activities/shell/kept-measurement.ts';
import { digestOf, hexOf } from '../../artifacts/canonical.ts';
import { SpeedProbe } from '../../schemas/speed-probe.ts';

const fileOf = (folder: string, setting: unknown): string =>
  path.join(folder, `speeds-${hexOf(digestOf(setting)).slice(0, 16)}.json`);

/** What was measured in a setting; undefined where nothing was. Throws `DamagedMeasurement`. */
export const keptSpeeds = (folder: string, setting: unknown): Promise<SpeedProbe | undefined> =>
  keptMeasurement(fileOf(folder, setting), SpeedProbe);

/** Keeps what was measured in a setting, in place of what was before. */
export async function keepSpeeds(folder: string, setting: unknown, probe: SpeedProbe): Promise<void> {
  const file = fileOf(folder, setting);
  await mkdir(folder, { recursive: true });
  const whole = `${file}.${process.pid}`;
  await writeFile(whole, `${JSON.stringify(probe, null, 1)}\n`);
  await rename(whole, file);
}
