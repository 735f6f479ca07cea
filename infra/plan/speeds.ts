/** How fast this machine trains and samples: measured for a plan, or as earlier runs were. */
import { execFile } from 'node:child_process';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { promisify } from 'node:util';
import { machineFacts } from '../../activities/shell/environment.ts';
import { readResult } from '../../artifacts/actions.ts';
import { digestOf } from '../../artifacts/canonical.ts';
import { listRuns } from '../../artifacts/runs.ts';
import type { ArtifactStore } from '../../artifacts/store.ts';
import type { ModelConfig } from '../../activities/nn/models/config.ts';
import type { PipelineConfig } from '../../schemas/config.ts';
import type { ResolvedCompute } from '../../schemas/config/compute.ts';
import type { RunRecord } from '../../schemas/run-record.ts';
import type { SpeedProbe } from '../../schemas/speed-probe.ts';
import type { Quantity } from './quantity.ts';

/** Tokens a second. */
export interface Speeds {
  readonly train: Quantity | undefined;
  readonly sample: Quantity | undefined;
}

const CLI = path.resolve(import.meta.dirname, '../cli/mmedexpert.mjs');

/** What the speeds of a configuration depend on, as one value: the machine, the model's shapes, and how it computes. */
export async function speedSetting(
  { sft: { AM }, gba }: PipelineConfig,
  model: ModelConfig,
  compute: ResolvedCompute,
): Promise<unknown> {
  const { rank, recompute, targets } = AM;
  const machine = { ...(await machineFacts()), cpus: os.cpus()[0]?.model ?? 'unknown' };
  return { machine, model, compute, rank, recompute, targets, gba: { rank: gba.rank, group: gba.group } };
}

/** Runs `bench` in a process of its own, whose memory is then its own too; tokens a second. */
async function bench(compute: ResolvedCompute, args: readonly string[]): Promise<number> {
  const { dtype, arithmetic, execution, intraOpThreads } = compute;
  const threads = Math.min(intraOpThreads, os.availableParallelism());
  const computing = ['--dtype', dtype, '--arithmetic', arithmetic, '--execution', execution];
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [CLI, 'bench', ...args, ...computing, '--json'],
    { env: { ...process.env, TF_NUM_INTRAOP_THREADS: String(threads) } },
  );
  return (JSON.parse(stdout) as { tokensPerSecond: number }).tokensPerSecond;
}

/** Trains and samples with a model for some seconds, rows and prompts of so many tokens. */
export async function measureSpeeds(
  { sft: { AM }, gba }: PipelineConfig,
  compute: ResolvedCompute,
  model: string,
  { row, prompt }: { readonly row: number; readonly prompt: number },
): Promise<SpeedProbe> {
  const common = (rank: number): string[] => ['--model', model, '--rank', String(rank)];
  const train = await bench(
    compute,
    ['train', ...common(AM.rank), '--sequence', String(row), '--steps', '2'].concat(
      AM.recompute ? ['--recompute'] : [],
    ),
  );
  const batch = ['--group', String(gba.group), '--prompts', '1', '--prompt', String(prompt), '--new', '16'];
  const sample = await bench(compute, ['rollout', ...common(gba.rank), ...batch]);
  return { version: 1, measuredAt: new Date().toISOString(), row, prompt, train, sample };
}

/** What was measured, as a plan shows it. */
export function measuredSpeeds({ measuredAt, row, prompt, train, sample }: SpeedProbe): Speeds {
  const on = `${os.hostname()}, ${measuredAt.slice(0, 10)}`;
  return {
    train: { value: train, from: 'measured', note: `bench train, rows of ${row} tokens, on ${on}` },
    sample: { value: sample, from: 'measured', note: `bench rollout, prompts of ${prompt} tokens, on ${on}` },
  };
}

/** Runs that are looked at, newest first. */
const RUNS = 20;

const same = (a: unknown, b: unknown): boolean => a !== undefined && digestOf(a) === digestOf(b);

/** Speeds of the newest runs with the same base and the same way to compute, on whatever machine they were. */
export async function earlierSpeeds(store: ArtifactStore, config: PipelineConfig): Promise<Speeds> {
  const alike = ({ config: run }: RunRecord): boolean => {
    const { base, compute } = run as Partial<PipelineConfig>;
    return same(base, config.base) && same(compute, config.compute);
  };
  const runs = (await listRuns(store, { limit: RUNS })).filter(alike);
  const figure = async (stage: string, name: string): Promise<Quantity | undefined> => {
    for (const { runId, steps } of runs)
      for (const { stage: of, step, key } of steps) {
        if (of !== stage) continue;
        const result = await readResult(store, key);
        const value = result?.summary[name];
        if (typeof value === 'number')
          return { value, from: 'earlier run', note: `${step} of run ${runId}, on ${result?.host}` };
      }
    return undefined;
  };
  return {
    train: await figure('sft', 'tokensPerSecond'),
    sample: await figure('gba', 'sampledTokensPerSecond'),
  };
}
