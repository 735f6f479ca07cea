import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import type { StageIo } from '../../activities/stage.ts';
import type { ResolvedCompute } from '../../schemas/config/compute.ts';

/**
 * What a stage sees when it runs outside the pipeline: progress and log on stderr, and where a folder is named for them,
 * checkpoints in folders named by their step, of which the newest whole one counts.
 */
export const localIo = async (
  checkpoints: string | undefined,
  unit: string,
  compute: ResolvedCompute,
): Promise<Omit<StageIo, 'inputs' | 'outputs'>> => {
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => stop.abort(new Error(`stopped by ${signal}`)));
  const root = checkpoints;
  const names = root === undefined ? [] : await readdir(root).catch(() => []);
  const newest = names
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .sort((a, b) => b - a)[0];
  let shown = 0;
  return {
    compute,
    signal: stop.signal,
    resume: root === undefined || newest === undefined ? undefined : path.join(root, String(newest)),
    async checkpoint(step, write) {
      if (root === undefined) return;
      const folder = path.join(root, String(step));
      const unfinished = `${folder}.part`;
      await rm(unfinished, { recursive: true, force: true });
      await mkdir(unfinished, { recursive: true });
      await write(unfinished);
      await rm(folder, { recursive: true, force: true });
      await rename(unfinished, folder);
    },
    progress({ done, total, figures }) {
      const now = performance.now();
      if (now - shown < 1000 && done < total) return;
      shown = now;
      const text = Object.entries(figures).map(([name, x]) => `${name} ${Number(x.toPrecision(5))}`);
      process.stderr.write(`${[`${unit} ${done}/${total}`, ...text].join('  ')}\n`);
    },
    log: (line) => void process.stderr.write(`${line}\n`),
  };
};
