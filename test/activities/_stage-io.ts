import { mkdtemp, mkdir, readFile, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import type { Stage, StageIo, StageSummary } from '../../activities/stage.ts';
import { inFloat32 } from './_compute.ts';

/** A folder for one test file's inputs and outputs, gone with `remove`. */
export async function scratchFolder(): Promise<{ path: string; remove: () => Promise<void> }> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'stage-'));
  return { path: folder, remove: () => rm(folder, { recursive: true, force: true }) };
}

/** Runs a stage from folders to new folders under `root`; answers its outputs' folders and its summary. */
export async function runStage<P>(
  stage: Stage<P>,
  params: unknown,
  inputs: Record<string, string>,
  root: string,
  io: Partial<StageIo> = {},
): Promise<{ outputs: Record<string, string>; summary: StageSummary }> {
  const at = await mkdtemp(path.join(root, `${stage.name}-`));
  const outputs: Record<string, string> = {};
  for (const name of Object.keys(stage.outputs)) {
    outputs[name] = path.join(at, name);
    await mkdir(outputs[name]);
  }
  const summary = await stage.run(stage.params.parse(params), {
    inputs,
    compute: inFloat32,
    outputs,
    resume: undefined,
    checkpoint: async () => undefined,
    progress: () => undefined,
    log: () => undefined,
    signal: new AbortController().signal,
    ...io,
  });
  return { outputs, summary };
}

/** Rows of a JSONL file. */
export const rowsOf = async <T>(folder: string, file: string): Promise<T[]> =>
  (await readFile(path.join(folder, file), 'utf8'))
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as T);
