import type { Command } from 'commander';

export const register = (program: Command): void => {
  program
    .command('runs')
    .description('list runs, newest first')
    .option('--limit <n>', 'at most this many', (value) => Number.parseInt(value, 10), 20)
    .option('--json', 'print JSON')
    .action(async ({ limit, json }: { limit: number; json?: boolean }) => {
      const { listRuns } = await import('../../artifacts/runs.ts');
      const { connectStore } = await import('../connect.ts');
      const store = await connectStore();
      try {
        const runs = await listRuns(store, { limit });
        if (json) {
          process.stdout.write(`${JSON.stringify(runs, null, 2)}\n`);
          return;
        }
        for (const { runId, preset, status, startedAt, steps } of runs) {
          const done = steps.filter((step) => step.status === 'done');
          const computed = done.filter(({ verdict }) => verdict === 'computed').length;
          const counts =
            done.length > 0 ? `${computed} computed, ${done.length - computed} from the store` : '';
          process.stdout.write(
            `${runId}  ${status.padEnd(9)}  ${startedAt}  ${preset.padEnd(9)}  ${counts}\n`,
          );
        }
      } finally {
        store.close();
      }
    });
};
