import { execFile } from 'node:child_process';
import { link, mkdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { digestOf, hexOf } from '../../artifacts/canonical.ts';
import { ProductProbe } from '../../schemas/product-probe.ts';
import { machineFacts } from './environment.ts';
import { keptMeasurement } from './kept-measurement.ts';
import { childEnvironment } from './supervise.ts';

const CHILD = fileURLToPath(new URL('./product-probe-child.ts', import.meta.url));

/** The products could not be timed. */
export class ProbeFailed extends Error {
  override readonly name = 'ProbeFailed';
}

async function measure(threads: number): Promise<unknown> {
  try {
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['--import', import.meta.resolve('tsx'), CHILD],
      // A device that another process trains on has little memory left.
      { env: { ...childEnvironment(threads), TF_FORCE_GPU_ALLOW_GROWTH: 'true' }, timeout: 100_000 },
    );
    return JSON.parse(stdout);
  } catch (error) {
    const { stderr = '', message } = error as Error & { stderr?: string };
    const why = stderr.split('\n').find((line) => /error/i.test(line)) ?? message;
    throw new ProbeFailed(
      `the speed of this machine's products could not be measured (${why.trim()}): set compute.arithmetic to float32 or bfloat16, or see what \`mmedexpert doctor\` says`,
      { cause: error },
    );
  }
}

/**
 * How fast this machine multiplies with so many threads. Measured once for each kind of machine and kept in `folder`; where
 * several processes measure at once, all take the answer of the first, since keys depend on it.
 * Throws {@link ProbeFailed} and `DamagedMeasurement`.
 */
export async function probeProducts(folder: string, threads: number): Promise<ProductProbe> {
  const machine = { ...(await machineFacts()), threads: String(threads) };
  const file = path.join(folder, `products-${hexOf(digestOf(machine)).slice(0, 16)}.json`);
  const kept = await keptMeasurement(file, ProductProbe);
  if (kept !== undefined) return kept;
  const probe = ProductProbe.parse({ version: 1, machine, speeds: await measure(threads) });
  await mkdir(folder, { recursive: true });
  const whole = `${file}.${process.pid}`;
  await writeFile(whole, `${JSON.stringify(probe, null, 1)}\n`);
  try {
    await link(whole, file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    await rm(whole);
  }
  return (await keptMeasurement(file, ProductProbe)) ?? probe;
}
