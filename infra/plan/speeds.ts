/** How fast this machine trains and samples: measured for a plan, or as earlier runs were. */
import { execFile } from 'node:child_process';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { promisify } from 'node:util';
import { readResult } from '../../artifacts/actions.ts';
import { digestOf } from '../../artifacts/canonical.ts';
import { listRuns } from '../../artifacts/runs.ts';
import type { ArtifactStore } from '../../artifacts/store.ts';
import type { PipelineConfig } from '../../schemas/config.ts';
import type { RunRecord } from '../../schemas/run-record.ts';
import type { Quantity } from './quantity.ts';

/** Tokens a second. */
export interface Speeds {
  readonly train: Quantity | undefined;
  readonly sample: Quantity | undefined;
}

const CLI = path.resolve(import.meta.dirname, '../cli/mmedexpert.mjs');

/** Runs `bench` in a process of its own, whose memory is then its own too. */
async function bench(config: PipelineConfig, args: readonly string[]): Promise<Quantity> {
  const { dtype, intraOpThreads } = config.compute;
  const threads = Math.min(intraOpThreads, os.availableParallelism());
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [CLI, 'bench', ...args, '--dtype', dtype, '--json'],
    { env: { ...process.env, TF_NUM_INTRAOP_THREADS: String(threads) } },
  );
  const { tokensPerSecond } = JSON.parse(stdout) as { tokensPerSecond: number };
  return { value: tokensPerSecond, from: 'measured' };
}

/** Trains and samples with a model for some seconds, rows and prompts of so many tokens. */
export async function measureSpeeds(
  config: PipelineConfig,
  model: string,
  { row, prompt }: { readonly row: number; readonly prompt: number },
): Promise<Speeds> {
  const { AM } = config.sft;
  const { rank, group } = config.gba;
  const common = (rank: number): string[] => ['--model', model, '--rank', String(rank)];
  const train = await bench(
    config,
    ['train', ...common(AM.rank), '--sequence', String(row), '--steps', '2'].concat(
      AM.recompute ? ['--recompute'] : [],
    ),
  );
  const batch = ['--group', String(group), '--prompts', '1', '--prompt', String(prompt), '--new', '16'];
  const sample = await bench(config, ['rollout', ...common(rank), ...batch]);
  return { train, sample };
}

/** Runs that are looked at, newest first. */
const RUNS = 20;

const same = (a: unknown, b: unknown): boolean => a !== undefined && digestOf(a) === digestOf(b);

/** Speeds of the newest runs with the same base and the same way to compute. */
export async function earlierSpeeds(store: ArtifactStore, config: PipelineConfig): Promise<Speeds> {
  const alike = ({ config: run }: RunRecord): boolean => {
    const { base, compute } = run as Partial<PipelineConfig>;
    return same(base, config.base) && same(compute, config.compute);
  };
  const steps = (await listRuns(store, { limit: RUNS })).filter(alike).flatMap((run) => run.steps);
  const figure = async (stage: string, name: string): Promise<Quantity | undefined> => {
    for (const step of steps) {
      if (step.stage !== stage) continue;
      const value = (await readResult(store, step.key))?.summary[name];
      if (typeof value === 'number') return { value, from: 'earlier run' };
    }
    return undefined;
  };
  return {
    train: await figure('sft', 'tokensPerSecond'),
    sample: await figure('gba', 'sampledTokensPerSecond'),
  };
}
