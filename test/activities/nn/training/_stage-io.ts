import { cp, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { StageIo } from '../../../../activities/stage.ts';
import type { ResolvedCompute } from '../../../../schemas/config/compute.ts';
import type { Progress } from '../../../../schemas/progress.ts';
import { inFloat32 } from '../../_compute.ts';

export interface RecordedIo extends Omit<StageIo, 'inputs' | 'outputs'> {
  readonly events: Progress[];
  readonly lines: string[];
  /** Steps of the checkpoints that were kept; their folders are `<root>/<step>`. */
  readonly kept: number[];
}

/** A stage's world that keeps checkpoints under `root`, and stops the stage at a step if asked to. */
export const recordedIo = (
  root: string,
  options: {
    readonly resume?: string;
    readonly stopAt?: number;
    readonly compute?: Partial<ResolvedCompute>;
  } = {},
): RecordedIo => {
  const stop = new AbortController();
  const events: Progress[] = [];
  const lines: string[] = [];
  const kept: number[] = [];
  return {
    events,
    lines,
    kept,
    compute: { ...inFloat32, ...options.compute },
    resume: options.resume,
    signal: stop.signal,
    log: (line) => void lines.push(line),
    progress(event) {
      events.push(event);
      if (event.done === options.stopAt) stop.abort(new Error('stopped by the test'));
    },
    async checkpoint(step, write) {
      const folder = join(root, `${step}.part`);
      await mkdir(folder, { recursive: true });
      await write(folder);
      await cp(folder, join(root, String(step)), { recursive: true });
      kept.push(step);
    },
  };
};
