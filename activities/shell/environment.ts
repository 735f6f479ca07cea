import { readFile } from 'node:fs/promises';
import os from 'node:os';
import type { ResolvedCompute } from '../../schemas/config/compute.ts';
import { installedLibrary } from '../nn/runtime/installed-library.ts';

/** The widest vector instructions of this CPU, since oneDNN picks its kernels, and with them the rounding, by it. */
export function instructionLevel(cpuinfo: string, arch: string): string {
  const flags = new Set(/^flags\s*:(.*)$/m.exec(cpuinfo)?.[1]?.trim().split(/\s+/));
  const level = ['amx_bf16', 'avx512_bf16', 'avx512f', 'avx2', 'avx', 'sse4_1'].find((flag) =>
    flags.has(flag),
  );
  return level ? `${arch}-${level}` : arch;
}

const readOr = (file: string, otherwise: string) => readFile(file, 'utf8').catch(() => otherwise);

async function machine(): Promise<Record<string, string>> {
  const library = installedLibrary();
  return {
    cpu: instructionLevel(await readOr('/proc/cpuinfo', ''), os.arch()),
    accelerator: library?.kind ?? 'cpu',
    onednn: '1',
    tensorflow: library?.digest ?? 'unknown',
  };
}

let found: Promise<Record<string, string>> | undefined;

/** What of this machine changes the bits that a stage on TensorFlow computes (design rule 8). Looked up once. */
export const machineFacts = (): Promise<Record<string, string>> => (found ??= machine());

/** The part of the action key that stands for where a computing stage runs. Stages in plain TypeScript have none. */
export async function computeEnvironment(
  resources: 'cpu' | 'gpu',
  compute: ResolvedCompute,
): Promise<Record<string, string>> {
  if (resources === 'cpu') return {};
  return {
    ...(await machineFacts()),
    dtype: compute.dtype,
    arithmetic: compute.arithmetic,
    execution: compute.execution,
    intraOpThreads: String(compute.intraOpThreads),
  };
}
